/* limits: every maximum of the daemon, each with its reason. Sizes in bytes, times in milliseconds
 * unless the name says otherwise. A bound that an operator may change is a setting (config.h). */
#ifndef LIMITS_H
#define LIMITS_H

/* ---- HTTP ---- */
enum {
    LIMIT_HEAD = 16 * 1024,         /* request line and headers together, as most servers */
    LIMIT_HEADERS = 100,            /* header fields of a request */
    LIMIT_TARGET = 8 * 1024,        /* request target: longer is 414 */
    LIMIT_BODY = 256 * 1024,        /* default body; a route's row may say less or more */
    LIMIT_CHUNK_EXT = 1024,         /* chunk extensions and trailers are read and dropped */
    LIMIT_ARENA = 1024 * 1024,      /* what one request may hold in its arena */
    LIMIT_REPLY = 32 * 1024 * 1024, /* largest reply built in memory */
    LIMIT_REPLY_QUEUE =
        256 * 1024, /* reply bytes a connection may have unsent before it is read again */
    LIMIT_STREAM_CHUNK = 64 * 1024, /* what one stream client is handed at a time */
    LIMIT_QUERY_ARGS = 32,
    LIMIT_JSON_DEPTH = 32,
    LIMIT_LIST = 256,              /* strings of one parameter that is a list */
    LIMIT_NUMBERS = 32,            /* … and numbers: each is work for us (a port that is tried) */
    HTTP_HEAD_MS = 10 * 1000,      /* from a request's first byte to the end of its head */
    HTTP_BODY_MS = 30 * 1000,      /* whole body; it is small */
    HTTP_IDLE_MS = 75 * 1000,      /* keep-alive without a request */
    HTTP_WRITE_MS = 30 * 1000,     /* a client that takes no byte for this long is closed */
    HTTP_SWEEP_MS = 500,           /* how often the above are looked at (one timer for all) */
    LIMIT_HALF_OPEN_PER_ADDR = 64, /* connections without a full head yet, by address */
    HTTP_FD_RESERVE = 512,         /* descriptors kept for children, the store, files */
    HTTP_ACCEPT_PER_TURN = 64,     /* new connections taken in one turn of the loop */
    HTTP_REQUESTS_PER_TURN = 16,   /* pipelined requests of one connection answered in one turn */
    HTTP_READ = 16 * 1024,         /* one read from a client; the buffer is shared by all */
    LIMIT_PIPELINE = 16 * 1024, /* input kept while a request is in hand; past it we stop reading */
    LIMIT_METHOD = 32,          /* longest method name looked at */
    LIMIT_REPLY_HEADERS = 16 * 1024, /* headers that the application adds to one answer */
    LIMIT_STREAM_QUEUE = 128 * 1024, /* unsent bytes of a stream past which it is cut */
    LIMIT_LINGER = 1024 * 1024,      /* input thrown away after an answer that closes … */
    HTTP_LINGER_MS = 2000,    /* … and for how long, so that the answer is seen, not a reset */
    LIMIT_CONNS = 32 * 1024,  /* connections, however many descriptors the system allows */
    HTTP_BACKLOG = 1024,      /* connections that the kernel keeps for us */
    HTTP_ADDR_BUCKETS = 4096, /* hash table of client addresses */
    HTTP_SPARE_MSGS = 16,     /* request structures kept for reuse */
    HTTP_SPARE_HEAD = 4096,   /* head buffers up to this size are kept with them */
};

/* ---- jobs, lines, events ---- */
enum {
    LIMIT_LINE = 64 * 1024,         /* one line of a child: borg's JSON lines reach 25 kB */
    LIMIT_LINE_SHOWN = 16 * 1024,   /* what a client sees of it */
    LIMIT_SPOOL = 32 * 1024 * 1024, /* a --json document kept in a file */
    LIMIT_EVENT = 32 * 1024,        /* one rendered event; JSON escaping can grow a line */
    EVENT_BLOCK = 32 * 1024,        /* events are stored and kept live in blocks of this size */
    EVENT_BLOCK_MS = 40,            /* an open block is handed to the store at least this often */
    EVENT_RING = 256 * 1024, /* stored events of a running job kept in memory for live readers */
    EVENT_RESERVE = 262144,  /* event ids reserved durably at a time; > 2 reads of empty lines */
    STORE_QUEUE_HIGH =
        4 * 1024 * 1024, /* bytes waiting for the store past which children are slowed */
    STORE_QUEUE_LOW = 1024 * 1024,
    STORE_OPS = 4096, /* operations waiting for the store past which new work is 503 */
    LIMIT_JOB_LINES = 2 * 1000 * 1000, /* events kept of one job */
    LIMIT_JOBS_LISTED = 500,
    LIMIT_JOBS_QUEUED = 32,    /* jobs waiting for their turn */
    LIMIT_JOBS_RECENT = 128,   /* ended jobs kept in memory */
    LIMIT_RECORD = 256 * 1024, /* a job's record as JSON */
    READ_JOB_KEEP_S = 3600,    /* ended reading jobs are kept this long */
    MAX_CHILDREN = 4,          /* children at a time */
    PROGRESS_MS = 250,         /* at most 4 progress events a second per job */
    PROGRESS_TEXT_MS = 1000,   /* and one text line */
    FANOUT_PER_TURN = 500,     /* stream clients written in one turn of the loop */
    FANOUT_CROWD = 1000,       /* up to so many readers each is told at once of everything … */
    FANOUT_CLIENT_MS = 50,     /* … beyond it each at most once in this time */
    POLL_WAIT_MAX_MS = 60 * 1000,
    POLL_ITEMS = 200,      /* as the reference API */
    LIMIT_STREAMS = 20000, /* stream clients in all */
    FEED_PIECE =
        16 * 1024,   /* events read for one piece; framed it stays within LIMIT_STREAM_CHUNK */
    FEED_PIECES = 4, /* pieces one stream gets before others have their turn … */
    FEED_TURN = 8,   /* … and streams that go on in one turn of the loop */
    FEED_SCRATCH = 2 * 1024 * 1024, /* one piece with the largest event (a job's record) */
    FEED_SCRATCH_KEEP = 128 * 1024, /* what is kept of it for the next */
    HUB_RING = 64,   /* blocks of a running job in memory: small ones count as well */
    HUB_ALL = 2048,  /* latest events of all jobs in memory for those who read them all */
    HUB_BATCH = 256, /* events handed to a reader in one call */
    HUB_READS = 16,  /* questions to the store for readers at a time: 1 MiB of answers */
    HUB_KEPT = 2 * 1024 * 1024, /* answers that their readers did not take at once */
    HUB_LINGER = 8,             /* ended jobs whose readers still read from memory */
    HUB_TAIL = 1024,            /* ids that only stages and states get while none can be reserved */
    HUB_RETRY_MS = 1000,
};
/* ---- store ---- */
enum {
    BLOCK_TEXT = 1024 * 1024, /* a block's text: EVENT_BLOCK and the largest event (a record) */
    STORE_BATCH = 256,        /* operations in one transaction */
    STORE_REPLIES = 2 * 1024 * 1024,    /* bytes read for callers and not yet handed to them */
    STORE_LIST_BYTES = 4 * 1024 * 1024, /* one page of jobs; a longer one gets a cursor sooner */
    STORE_RETRY_MS = 200,               /* how often what must land is tried again */
    STORE_CLOSE_MS = 5000,              /* … and how long at most when the daemon goes down */
    STORE_RETAKE_MS = 1000,             /* how often the reserve is tried to be had again */
    STORE_SWEEP_MS = 10 * 1000,         /* how often jobs past their time are looked for */
    STORE_TRIM = 64,        /* blocks deleted in one step, so that no step stalls others */
    STORE_MERGE = 32,       /* overlapping blocks merged in memory at a time */
    STORE_CACHE_KB = 512,   /* SQLite's pages in memory */
    STORE_WAL_PAGES = 4000, /* 16 MiB of log between checkpoints: two fsyncs each */
    STORE_WAL_KEEP = 4 * 1024 * 1024, /* what the log file shrinks to when it starts anew */
    STORE_FREE_PAGES = 1024,          /* free pages kept for reuse; more are given back when idle */
    STORE_VACUUM_PAGES = 256,         /* pages given back in one step */
    STORE_BUSY_MS = 1000,             /* waiting for somebody's database shell */
    STORE_SPARE = 64,                 /* answers that can be given while memory is gone */
};
#define LIMIT_JOB_BYTES (256LL * 1024 * 1024)        /* events kept of one job */
#define LIMIT_STORE_BYTES (2LL * 1024 * 1024 * 1024) /* events kept in all */
#define STORE_BALLAST \
    (4LL * 1024 * 1024) /* given back when the disk is full, so that verdicts land */

/* ---- children ---- */
enum {
    CHILD_READ = 64 * 1024, /* one read from a child's pipe */
    CHILD_ARGS = 64,
    CHILD_ENVS = 64,
    CHILD_ENV_BYTES = 64 * 1024,
    END_INT_MS = 30 * 1000,  /* SIGINT lets borg write its checkpoint … */
    END_TERM_MS = 7 * 1000,  /* … then SIGTERM to all: borg was seen to need 3.5 s … */
    END_KILL_MS = 10 * 1000, /* … then SIGKILL, looked at again this long */
    END_SCAN_MS = 100,       /* how often /proc is asked who is left */
    PROCFS_EXEC_LOOKS = 50,  /* a process in the middle of an execve is looked at so often … */
    PROCFS_EMPTY_LOOKS = 5,  /* … and one that has no environment … */
    PROCFS_PAUSES = 100,     /* … for all of them together in one search … */
    PROCFS_LOOK_MS = 1,      /* … at this distance */
    CONTROL_MSG = 64 * 1024 + 512, /* one message on a job's control socket */
    CONTROL_CONNS = 16,            /* peers of one control socket at a time */
    CONTROL_ARGV = 256 * 1024,     /* bytes kept of one borg's argv, as much of its environment */
    CONTROL_LIST = 4096,           /* strings in each of the two */
    CONTROL_PER_TURN = 32,         /* messages read from one peer in one turn of the loop */
    CONTROL_SSH_SEEN = 64,         /* ssh processes remembered as answered: one answer each */
    CONTROL_ANSWER_MS = 30 * 1000, /* a shim waits this long for its orders … */
    CONTROL_SEND_MS = 5 * 1000,    /* … and this long for room in the socket */
    CONTROL_EVIDENCE = 16 * 1024,  /* one evidence file */
    CONTROL_PROGRESS_IDS = 8, /* kinds of progress that one borg is in at a time, for the pace */
    LIMIT_SECRET = 4096,      /* longest secret taken from a caller */
    SECRET_MIN = 6,           /* shorter ones would mask ordinary text */
    LIMIT_NEEDLES = 1024,     /* forms of secrets looked for in a job's output: up to 25 each */
    RESOLVE_MS = 60 * 1000,   /* asking borgmatic what a config means */
    RESOLVE_CACHE = 64,       /* configs remembered */
    RESOLVE_AGE_MS = 10 * 60 * 1000, /* included files may change unseen */
    LIMIT_REPOS = 16,                /* repositories of one config */
    PROBE_MS = 15 * 1000,            /* one ssh probe */
    VERIFY_MS = 10 * 60 * 1000,      /* reading an archive back after the run */
    ARCHIVE_JSON = 4 * 1024 * 1024,  /* borg's answer about archives kept in memory */
    ARCHIVE_LOCK_WAIT_S = 5,         /* reading back right after a run: its lock is just going */
    LIMIT_CONFIGS = 256,             /* files listed of the config directory */
};
#define DRILL_BYTES (256LL * 1024 * 1024)           /* extracted by a drill when nothing is said */
#define DRILL_BYTES_MAX (64LL * 1024 * 1024 * 1024) /* and at most */
#define READ_DEADLINE_S 300        /* a job that only reads, when its request says nothing else */
#define JOB_DEADLINE_S (48 * 3600) /* when a route says nothing less */

/* ---- who ---- */
enum {
    AUTH_FAIL_MAX = 10,      /* wrong tokens by address … */
    AUTH_FAIL_WINDOW_S = 60, /* … in this time */
    AUTH_FAIL_TABLE = 1024,  /* addresses remembered; the oldest gives way */
    RATE_TABLE = 1024,       /* identity × route buckets */
    RATE_CALLS = 1000,       /* calls remembered of one bucket, whatever RATE_LIMIT_SCALE says */
    LIMIT_LABEL = 64,
    TICKET_AFTER_S = 3600, /* a stream ticket's life after its job */
    IDEMPOTENCY_KEEP_S = 24 * 3600,
    IDEMPOTENCY_KEYS = 4096,
};

/* ---- the Docker Engine ---- */
enum {
    TASKS_MAX = 16,           /* threads that wait for the Engine or an AIO workflow */
    TASK_POSTS = 256,         /* what one of them has told the loop and the loop not yet taken */
    TASK_STACK = 1024 * 1024, /* bytes; a workflow keeps what it saw of 64 containers on it */
    TASKS_END_MS =
        30 * 1000, /* they are asked to stop; a name's look-up is the longest wait then */
    ENGINE_CONNECT_MS = 5 * 1000,
    ENGINE_CALL_MS = 30 * 1000,       /* a busy Engine was seen to need ten seconds to inspect */
    ENGINE_DF_MS = 10 * 60 * 1000,    /* it walks every volume */
    ENGINE_STOP_SPARE_MS = 60 * 1000, /* a container's end beyond its own grace: kill, unmount */
    ENGINE_STOP_LOOK_MS = 1000,       /* how often it is asked whether it has stopped */
    ENGINE_STOP_GRACE_S = 10,         /* the Engine's own, where the container names none */
    ENGINE_REPLY = 16 * 1024 * 1024,  /* one answer: a container in a list takes about 2 KiB */
    ENGINE_FAULT = 16 * 1024,         /* what is read of an answer that is an error */
    EXEC_BODY = 16 * 1024,            /* the whitelist's longest command has less than 1 KiB */
    EXEC_LOOK_FIRST_MS = 20,          /* an exec whose stream has ended is asked for its code … */
    EXEC_LOOK_MS = 1000,              /* … at last so often, when it was only cut */
    DOCKER_LISTED = 4096,             /* containers or volumes of one answer */
    WHITELIST_ENV = 32,       /* variables of one question whether a command is allowed … */
    WHITELIST_TEXT = 256,     /* … and the length of each of its texts */
    ENGINE_HEADER = 8 * 1024, /* a header line that is looked at */
};

/* ---- Nextcloud AIO: does it serve, may a run begin? ---- */
enum {
    SERVICE_CONNECT_MS = 3000,         /* to a container or a host near by … */
    SERVICE_ASK_MS = 8000,             /* … and status.php, which asks Nextcloud's database … */
    SERVICE_ALL_MS = 20 * 1000,        /* … and no further host is tried after this */
    SERVICE_REPLY = 16 * 1024,         /* status.php says some 200 bytes */
    SERVICE_LOOK_MS = 2000,            /* how often it is asked while it is waited for */
    PREFLIGHT_CONNECT_MS = 5000,       /* to a remote target's host */
    PREFLIGHT_WALK_MS = 20 * 1000,     /* a repository's segments are counted so long */
    PREFLIGHT_BORG_CONFIG = 64 * 1024, /* borg.config: a key and a few lines */
};

#define PREFLIGHT_SPACE_MIN (2ULL << 30) /* AIO has borg keep 2 GiB of the target's disk free */

/* ---- what is known of the outside, and of ourselves ---- */
enum {
    PROBES_LOOK_MS = 60 * 1000,     /* folders, and whether a program's file has changed */
    PROBES_ASK_MS = 10 * 60 * 1000, /* versions, although no file has changed */
    PROBES_WAITING = 64,            /* requests that wait for the first answer */
    STORE_DEAD_MS = 60 * 1000,      /* a batch that takes longer will not end any more */
    METRICS_CODES = 64,             /* status codes counted apart */
    METRICS_SERIES = 256,           /* pairs of a job's kind and target; more are "other" */
    METRICS_LAG_MS = 1000,          /* how often the loop's lag is measured */
};

/* ---- emergencies ---- */
enum {
    LIMIT_HOLD = 64 * 1024,  /* the record of a hold: escaping can grow its texts */
    EMERGENCY_JOBS = 128,    /* jobs of ours that one shutdown names: all that can be at one time */
    EMERGENCY_LOOK_MS = 100, /* how often it looks whether they have ended … */
    EMERGENCY_JOBS_MS = END_INT_MS + END_TERM_MS + END_KILL_MS + 13 * 1000, /* … and how long */
    EMERGENCY_RESTART_MS =
        15 * 60 * 1000, /* a backup's end starts AIO's stack, which is then stopped in order */
    EMERGENCY_AIO_MS = 5 * 1000,   /* a workflow of AIO's cannot be ended where it is at work */
    EMERGENCY_TASK_MS = 30 * 1000, /* a task is waited for while all are taken */
    EMERGENCY_S =
        4 * 3600, /* the whole: the graces of all containers add up to less than an hour */
    PRESENCE_PROGRAMS = 64, /* borgs and borgmatics of this machine that are named … */
    PRESENCE_MOUNTS = 32,   /* … and borg mounts; more are only counted */
};

/* ---- locks ---- */
enum {
    LOCK_ROSTER = 64 * 1024,    /* a roster: some hundred readers */
    LOCK_LOOKS = 5,             /* looks at a lock that is just changing … */
    LOCK_SETTLE_MS = 20,        /* … this far apart: borg holds it for a few milliseconds then */
    LOCK_WAIT_S = 1,            /* borg's --lock-wait when it is only asked whether it is locked */
    LOCK_PROBE_S = 12,          /* one such question … */
    LOCK_SURVEY_MS = 25 * 1000, /* … and an answer about all configurations */
    OVERVIEW_MS = 10 * 1000,    /* … where what is not known yet may as well be asked again */
    LOCK_SURVEYED = 2,          /* configurations looked at at a time: each may start a program */
    LOCK_REASON = 500,          /* why somebody breaks a lock that may be alive */
    LOCK_BREAK_S = 120,         /* breaking the locks of one configuration */
};

/* ---- is a host there? ---- */
enum {
    TCP_PROBE_ADDRESSES = 8,    /* addresses of one name that are tried … */
    TCP_PROBE_STAGGER_MS = 250, /* … each so long after the one before, as browsers do */
    TCP_CHECK_S = 5,            /* when the request says nothing … */
    TCP_CHECK_MAX_S = 30,       /* … and at most */
    TCP_HOST = 253,             /* the longest name of a host */
    TCP_SURVEY_MS = 15 * 1000,  /* asking the configurations which hosts they name */
};

/* ---- is Nextcloud there? ---- */
enum {
    PORTS_PROBE_MS = 2000,        /* each port, all at once, when the request says nothing … */
    PORTS_PROBE_MIN_MS = 100,     /* … at least … */
    PORTS_PROBE_MAX_MS = 10000,   /* … and at most */
    HEALTHCHECK_S = 30,           /* AIO's health script, as long as Docker itself gives it … */
    HEALTHCHECK_MAX_S = 600,      /* … and at most, as the reference API */
    HEALTHCHECK_OUT = 16 * 1024,  /* kept of each of its streams: it prints a line a port */
    SERVERINFO_MS = 10 * 1000,    /* Nextcloud's answer about itself, as the reference API … */
    SERVERINFO_MAX = 1024 * 1024, /* … and its size: some ten kB as a rule */
    LIMIT_BASE_URL = 512,
};

/* ---- ssh keys and known hosts ---- */
enum {
    SSHKEY_BLOB = 4096,      /* a public key: RSA of 16384 bits needs 2 KiB */
    SSHKEY_TYPE = 64,        /* "sk-ssh-ed25519-cert-v01@openssh.com" is the longest known */
    SSHKEY_FINGERPRINT = 64, /* "SHA256:" and 43 characters */
    SSHKEY_COMMENT = 256,    /* of a public key, as far as it is shown */
    SSHKEY_FILE = 64 * 1024, /* a key file; RSA of 16384 bits is 13 KiB */
    SSHKEY_LINE = 16 * 1024, /* a public key with options and comment */
    SSHKEYS_LISTED = 256,    /* keys listed of the folder */
    SSHKEYS_LOOKED = 4096,   /* names looked at for that */
    SSHKEYS_ASIDE = 256,     /* keys moved aside that are looked at */
    SSHKEY_ASIDE_DAYS = 7,   /* how long a key that was replaced or deleted can be put back */
    SSHKEY_JOB_S = 60,       /* ssh-keygen and ssh-keyscan take seconds at most */
    SSH_TEST_S = 120,        /* ssh and borg towards one host */
    KNOWN_HOSTS_FILE = 1024 * 1024, /* known_hosts as a whole */
    KNOWN_HOSTS_LISTED = 4096,      /* entries of it that are listed */
    KNOWN_HOSTS_SCAN = 64 * 1024,   /* what ssh-keyscan says of one host */
    KNOWN_HOSTS_SCAN_S = 10,        /* how long it waits for the host */
};

/* ---- archives ---- */
enum {
    LIMIT_ENTRY_LINE =
        128 * 1024,      /* a line of a listing: two paths of 4 kB, each byte as \\udcff */
    TREE_ENTRIES = 2000, /* entries of one answer … */
    TREE_ENTRIES_USUAL = 500,
    TREE_BYTES = 2 * 1024 * 1024, /* … and their names together; a longer page ends sooner */
    TREE_DEPTH = 32,
    DIFF_ENTRIES = 10000, /* differences of one answer … */
    DIFF_ENTRIES_USUAL = 1000,
    DIFF_BYTES = 4 * 1024 * 1024, /* … and their text */
    FIND_ARCHIVES = 100,          /* archives that one pattern is looked for in … */
    FIND_ARCHIVES_USUAL = 10,
    FIND_PATTERN = 1024,
    FIND_ENTRIES = 2000, /* … what is told of it … */
    FIND_ENTRIES_USUAL = 200,
    FIND_BYTES = 4 * 1024 * 1024, /* … and its text */
    DOWNLOADS_MAX = 8,            /* at a time: they take no child slot, as they mostly wait */
    DOWNLOAD_SLOW_MS = 60 * 1000, /* a reader that was waited for this long … */
    DOWNLOAD_SLOW_RATE = 16000,   /* … and took fewer bytes a second meanwhile is too slow */
    NEW_FILE_QUEUE = 1024 * 1024, /* bytes of an exported archive that wait for the disk */
    DOWNLOAD_LOOK_MS = 1000,      /* how often that is looked at */
};

/* ---- restoring ---- */
enum {
    LIMIT_DRILL = 1000,             /* files of one restore drill */
    LIMIT_DRILL_ARGS = 512 * 1024,  /* bytes of their patterns on borg's command line */
    DRILL_COUNT = 10,               /* when nothing is said */
    DRILL_SPARE = 64 * 1024 * 1024, /* of STATE_DIR's disk stays free */
    DRILL_SHOWN = 200,              /* files named in the result; those that are wrong first … */
    DRILL_PATH_SHOWN = 512,         /* … and so much of each path … */
    DRILL_TABLE = LIMIT_RECORD / 2, /* … as long as the record has room */
    MOUNT_APPEAR_MS = 60 * 1000,    /* borg opens the repository first, maybe far away */
    MOUNT_LOOK_MS = 100,            /* how often it is looked whether it is there */
    MOUNT_GRACE_MS = 3000,          /* a busy mount is waited for, then detached … */
    MOUNT_RETRY_MS = 300,           /* … tried so often meanwhile */
    MOUNT_HANG_MS = 5000,           /* fusermount3 itself */
    MOUNT_EXIT_MS = 2000,           /* borg's own end after its mount is gone */
    MOUNT_STUCK_MS = 5000,          /* what cannot be taken away is tried again */
    MOUNT_TTL_S = 3600,             /* a mount keeps backups waiting: it has an end … */
    MOUNT_TTL_MAX_S = 24 * 3600,    /* … and at most this one */
    LIMIT_MOUNTS = 16,              /* at one time; each is a borg in memory */
    LIMIT_RESTORE_PATH = 4096,      /* one of the paths asked for: PATH_MAX */
    EXTRACT_DEPTH = 512,            /* folders in folders that are looked into */
    EXTRACT_COUNTED = 1000 * 1000,  /* files counted in the destination afterwards: some seconds */
};

/* ---- repositories ---- */
enum {
    PTY_READ = 1024,              /* one read of a prompt */
    PROMPT_BYTES = 4096 + 512,    /* a prompt names the repository's location or the key's file */
    PROMPT_ANSWERS = 8,           /* prompts of one change of passphrase: borg asks at most 5 */
    NEW_PASSPHRASE_MIN = 8,       /* shorter ones are found by trying */
    NEW_PASSPHRASE_MAX = 1024,    /* a terminal takes 4095 bytes at a time */
    LIMIT_KEY = 64 * 1024,        /* an exported key; borg's has less than 1 kB */
    KEY_DEADLINE_S = 300,         /* changing a passphrase, exporting a key */
    REPO_CREATE_DEADLINE_S = 600, /* making a repository: a few files */
};

/* ---- Nextcloud AIO's files ---- */
enum {
    AIO_LIST_BYTES = 4 * 1024 * 1024, /* backup_archives.list: 60 bytes an archive */
    AIO_SMALL_BYTES = 64 * 1024,      /* borg.config has 2 KiB, daily_backup_time three lines */
    AIO_TARGET_JOURNAL_BYTES = 256 * 1024, /* ten targets, each letter of them escaped */
    CONFIG_FILE_WINDOW_MS =
        2,                    /* from the last look at it to its replacement, other writers' time */
    CONFIG_FILE_LOOKS = 50,   /* looks that took longer than that before it is a failure */
    CONFIG_FILE_TRIES = 20,   /* changes begun anew because another writer was faster … */
    CONFIG_FILE_PAUSE_MS = 5, /* … this far apart: PHP writes it within a millisecond */
    CONFIG_FILE_READS = 5,    /* readings of a file that is just being written in place */
};

/* ---- configurations ---- */
enum {
    LIMIT_YAML = 256 * 1024,            /* one configuration file: a large one has 20 KiB */
    LIMIT_YAML_DEPTH = 32,              /* as JSON's */
    LIMIT_YAML_NODES = 16 * 1024,       /* values in one text … */
    LIMIT_YAML_SEEN = 64 * 1024,        /* … and with its aliases written out */
    LIMIT_YAML_ARENA = 8 * 1024 * 1024, /* memory of one parsed text */
    LIMIT_YAML_MASKS = 64,  /* secrets of one configuration that its output is searched for */
    CONFIG_VALIDATE_S = 60, /* borgmatic reading one file: it was seen to need 0.4 s */
};

/* ---- Nextcloud AIO's workflow ---- */
enum {
    AIO_CONFIG_BYTES = 1024 * 1024, /* configuration.json; a large one has 20 KiB */
    AIO_JOURNAL_BYTES = 16 * 1024,  /* what is kept of a run; two targets of 1 KiB, escaped */
    AIO_EVENT_BYTES = 256 * 1024,   /* one event of the Engine: it repeats the image's labels */
    AIO_TAIL = 64 * 1024,           /* kept of each of the script's streams for the answer */
    AIO_LOG_TAIL = 16 * 1024,       /* kept of the borgbackup container's log for the answer */
    AIO_TICK_MS = 1000,             /* how often a run that says nothing is looked at … */
    AIO_ASK_MS = 5000,              /* … and how often the Engine is asked what events may hide */
    AIO_STATS_MS = 30 * 1000,       /* how often borg's I/O is asked for; it costs a second */
    AIO_AGAIN_MS = 2000,            /* a broken stream or an absent Engine is tried again */
    AIO_END_MS = 10 * 1000,         /* after the script's last line its stream ends soon … */
    AIO_LOG_END_MS = 15 * 1000,     /* … and so does the log of a container that has died */
    AIO_LOG_SOON_MS = 5000,         /* … mostly at once: before the target is put back */
    AIO_LOG_LOOK_MS = 50,
    AIO_ENGINE_BACK_MS = 15 * 60 * 1000, /* an Engine that is restarted comes back */
    AIO_MASTER_GOES_MS = 15 * 1000,      /* one that is stopped is gone: its grace is 10 s … */
    AIO_MASTER_LOOK_MS = 100,            /* … and it is looked at so often meanwhile */
    AIO_MASTER_BACK_MS = 20 * 60 * 1000, /* a mastercontainer that is replaced comes back */
    AIO_TAKEOVER_MS = 150 * 1000,        /* AIO's own run, which its lock file makes it begin */
    AIO_SERVICE_MS = 15 * 60 * 1000,     /* Nextcloud updates its apps when it starts */
    AIO_SERVICE_ABSENT_MS = 60 * 1000,   /* … and what does not run at all is started again */
    AIO_PASSES = 3,                      /* execs of one run: it may replace the mastercontainer */
    AIO_RUN_MS = 47 * 3600 * 1000,       /* a run as a whole; then it is left with its journal */
};

/* ---- AIO's workflow as a job ---- */
enum {
    AIO_STREAM_TAIL = 16 * 1024, /* of each stream of the daily script in a result … */
    AIO_RESULT_LOG = 4 * 1024,   /* … of a borgbackup container's log … */
    AIO_RESULT_MAX = 80 * 1024,  /* … and the result: it stands in the record and in a status */
    AIO_ANSWER_S = 3600,         /* an answer waits so long for a run when nothing is said */
    AIO_HELD_MS = 20,            /* how often it is looked whether the store takes lines again */
    AIO_LEFT_MS = 30 * 1000,     /* what is left of a run is looked at again */
};

/* ---- AIO's stack down for a backup of ours ---- */
enum {
    QUIESCE_START_MS = 2 * 3600 * 1000, /* the Engine, or AIO's own run, is waited for so long … */
    QUIESCE_AGAIN_MS = 5000,            /* … and looked at so often */
    QUIESCE_SERVICE_MS = 5 * 60 * 1000, /* a stack that somebody else is starting */
    QUIESCE_TASK_MS = 1000,             /* no task is free: tried again */
};

#endif
