-- breaking: no
-- Known manifests are looked up by key before every part.
create unique index export_parts_manifest_key on export_parts (manifest_key) where manifest_key is not null;
