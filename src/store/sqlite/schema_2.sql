-- The audit log: one row per decision, write, order, policy or message, each hashed over the one before. The hash covers
-- `digest`, the hash of salt and body, so that a body can be erased and the chain still holds.
-- kind: see audit.rs. case_id 0: about no case. decision: the body is that row's of the decision log.
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  case_id INTEGER NOT NULL,
  decision INTEGER,
  salt BLOB,
  body TEXT,
  digest BLOB NOT NULL,
  hash BLOB NOT NULL
);
CREATE INDEX audit_case ON audit (case_id, seq);

-- When a source was first read. A case first judged and older than that is no news to anybody.
ALTER TABLE source ADD COLUMN watched_from INTEGER;

-- Messages to people, one row per channel and thing to tell. stage: 0 ready, 2 waiting, 3 flying, 5 parked,
-- 6 told. key: computed, so that the same
-- thing gets the same one. message: what it was or is sent as, the same for all that are sent together; kept for retries.
CREATE TABLE notice (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL,
  key TEXT NOT NULL,
  case_id INTEGER NOT NULL,
  -- rule@episode; empty for a digest.
  subject TEXT NOT NULL,
  clears INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  stage INTEGER NOT NULL,
  since INTEGER NOT NULL,
  ready_at INTEGER,
  token INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  message TEXT,
  formed_at INTEGER,
  because TEXT,
  body TEXT NOT NULL,
  UNIQUE (channel, key)
);
CREATE INDEX notice_open ON notice (channel, stage, rank, id) WHERE stage <> 6;
CREATE INDEX notice_formed ON notice (channel, formed_at);
CREATE INDEX notice_case ON notice (case_id, channel);
