-- breaking: no
-- When a part's rows left the buffer, and whether a destination has still to be healed from the backup then.
alter table export_parts add column released_at timestamptz;
create index export_parts_unreleased on export_parts (part_id) where released_at is null and not adopted;
