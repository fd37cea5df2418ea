-- breaking: no
-- Filtered destinations: what a part looks like there (its view) has files, manifests and a chain of its own. '' is what
-- everybody else gets.
alter table export_parts add column rules jsonb;
alter table export_objects add column view text not null default '';
alter table export_objects drop constraint export_objects_part_id_revision_format_hour_key;
alter table export_objects add unique (part_id, revision, view, format, hour);
alter table export_manifests add column view text not null default '';
alter table export_manifests drop constraint export_manifests_key_key;
alter table export_manifests drop constraint export_manifests_part_id_revision_key;
alter table export_manifests add unique (key, view);
alter table export_manifests add unique (part_id, revision, view);
