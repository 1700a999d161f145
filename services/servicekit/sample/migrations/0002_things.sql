CREATE TABLE things (name text PRIMARY KEY, amount integer NOT NULL DEFAULT 0);
