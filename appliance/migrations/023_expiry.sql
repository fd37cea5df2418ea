-- breaking: no
-- When the delivered objects of a part were deleted, after EXPORT_RETENTION_DAYS; its manifests stay.
alter table export_parts add column expired_at timestamptz;
