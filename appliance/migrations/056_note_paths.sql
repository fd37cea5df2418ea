-- breaking: no
-- People swap the names of files: for a moment two notes have one path.
alter table notes drop constraint notes_path_key;
