-- Instants are milliseconds since the epoch. What many transactions touch is narrow and keyed by growing numbers; bodies
-- stand apart.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE source (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  cursor_version INTEGER,
  cursor TEXT,
  token INTEGER,
  lease_until INTEGER,
  paused INTEGER NOT NULL DEFAULT 0,
  pulled_at INTEGER,
  caught_up_at INTEGER,
  imported INTEGER NOT NULL DEFAULT 0,
  cases INTEGER NOT NULL DEFAULT 0,
  pages INTEGER NOT NULL DEFAULT 0,
  changes INTEGER NOT NULL DEFAULT 0,
  bells INTEGER NOT NULL DEFAULT 0,
  bells_repeated INTEGER NOT NULL DEFAULT 0,
  bells_missed INTEGER NOT NULL DEFAULT 0,
  bells_expected INTEGER NOT NULL DEFAULT 0,
  echoes INTEGER NOT NULL DEFAULT 0,
  writes INTEGER NOT NULL DEFAULT 0
);

-- seen_*: the newest version told by anybody. full_*: the newest version that came with its whole history. polled_ms: the
-- newest that a poll showed. told_ms: the newest that a webhook led to. missed_ms: the
-- newest of which no webhook told. ours_ms: the newest that a write of ours made.
CREATE TABLE cases (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source INTEGER NOT NULL,
  vendor_id TEXT NOT NULL,
  number TEXT NOT NULL,
  seen_ms INTEGER NOT NULL,
  seen_count INTEGER NOT NULL,
  full_ms INTEGER,
  full_count INTEGER,
  digest INTEGER,
  open INTEGER NOT NULL DEFAULT 0,
  status TEXT,
  moved_at INTEGER,
  updated_at INTEGER,
  missed_ms INTEGER,
  ours_ms INTEGER,
  polled_ms INTEGER,
  told_ms INTEGER,
  UNIQUE (source, vendor_id)
);
CREATE INDEX cases_number ON cases (number);
CREATE INDEX cases_closed ON cases (updated_at) WHERE open = 0 AND updated_at IS NOT NULL;

CREATE TABLE state (case_id INTEGER PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE due (
  case_id INTEGER PRIMARY KEY,
  ready_at INTEGER,
  token INTEGER,
  rings INTEGER NOT NULL DEFAULT 0,
  open INTEGER NOT NULL DEFAULT 1,
  -- The last change of policy that made it due.
  walk INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX due_ready ON due (ready_at) WHERE ready_at IS NOT NULL;
CREATE INDEX due_leased ON due (token) WHERE token IS NOT NULL;

CREATE TABLE inbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, case_id INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX inbox_case ON inbox (case_id, seq);

-- A day's deliveries lie together, so that they are found and purged together.
CREATE TABLE delivery (day INTEGER NOT NULL, hash INTEGER NOT NULL, PRIMARY KEY (day, hash)) WITHOUT ROWID;

-- lane 0 goes before lane 1. rung: a webhook asked.
CREATE TABLE hint (
  source INTEGER NOT NULL,
  vendor_id TEXT NOT NULL,
  lane INTEGER NOT NULL,
  ready_at INTEGER NOT NULL,
  since INTEGER NOT NULL,
  rings INTEGER NOT NULL DEFAULT 1,
  rung INTEGER NOT NULL DEFAULT 0,
  taken INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (source, vendor_id)
) WITHOUT ROWID;
CREATE INDEX hint_ready ON hint (source, lane, ready_at);

-- stage: 0 ready, 1 held, 2 waiting, 3 flying, 4 unknown, 5 parked.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source INTEGER NOT NULL,
  case_id INTEGER NOT NULL,
  slot TEXT NOT NULL,
  generation INTEGER NOT NULL,
  stage INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  since INTEGER NOT NULL,
  ready_at INTEGER,
  token INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  because TEXT,
  body TEXT NOT NULL,
  UNIQUE (case_id, slot)
);
CREATE INDEX outbox_ready ON outbox (source, rank, id) WHERE stage = 0;
CREATE INDEX outbox_waiting ON outbox (source, ready_at) WHERE stage BETWEEN 2 AND 4;
CREATE INDEX outbox_stage ON outbox (source, stage, since);

CREATE TABLE spent (source INTEGER NOT NULL, minute INTEGER NOT NULL, writes INTEGER NOT NULL, PRIMARY KEY (source, minute)) WITHOUT ROWID;

CREATE TABLE decision (seq INTEGER PRIMARY KEY AUTOINCREMENT, case_id INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX decision_case ON decision (case_id, seq);

CREATE TABLE flag (
  case_id INTEGER NOT NULL,
  rule TEXT NOT NULL,
  severity INTEGER NOT NULL,
  raised_at INTEGER NOT NULL,
  episode TEXT NOT NULL,
  why TEXT NOT NULL,
  dismissed INTEGER NOT NULL,
  PRIMARY KEY (case_id, rule)
) WITHOUT ROWID;
CREATE INDEX flag_worst ON flag (severity DESC, raised_at);

-- A group of cases and what its open ones add up to.
CREATE TABLE crowd (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  key TEXT NOT NULL,
  open INTEGER NOT NULL DEFAULT 0,
  urgent INTEGER NOT NULL DEFAULT 0,
  unowned INTEGER NOT NULL DEFAULT 0,
  unanswered INTEGER NOT NULL DEFAULT 0,
  UNIQUE (kind, key)
);
CREATE TABLE crowd_source (crowd INTEGER NOT NULL, source INTEGER NOT NULL, open INTEGER NOT NULL, PRIMARY KEY (crowd, source)) WITHOUT ROWID;

-- bits: 1 open, 2 urgent, 4 unowned, 8 unanswered.
CREATE TABLE member (case_id INTEGER NOT NULL, kind INTEGER NOT NULL, crowd INTEGER NOT NULL, bits INTEGER NOT NULL, PRIMARY KEY (case_id, kind)) WITHOUT ROWID;
CREATE INDEX member_open ON member (crowd, case_id) WHERE bits & 1;

-- Links of a case, both ways of reading them.
CREATE TABLE link (case_id INTEGER NOT NULL, source TEXT NOT NULL, vendor_id TEXT NOT NULL, PRIMARY KEY (case_id, source, vendor_id)) WITHOUT ROWID;
CREATE INDEX link_to ON link (source, vendor_id);

-- Groups whose members are being made due: a lap around the ring of members, in slices.
CREATE TABLE waking (crowd INTEGER PRIMARY KEY, at INTEGER NOT NULL, stop_at INTEGER, wrapped INTEGER NOT NULL DEFAULT 0);

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source INTEGER NOT NULL,
  record TEXT NOT NULL,
  reason TEXT NOT NULL,
  raw TEXT NOT NULL,
  since INTEGER NOT NULL,
  UNIQUE (source, record)
);

CREATE TABLE tally (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
