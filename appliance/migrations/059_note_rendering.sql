-- breaking: no
-- What a note was last rendered from, as src/agents/vault/rendering.ts writes it: a note of which all of that is the same
-- need not be rendered again. Null: not known, and it is rendered by the next run.
alter table notes add column rendered text;
