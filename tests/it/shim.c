/* A disk and a clock that misbehave, and a witness at the network, preloaded into the daemon by tests/it/shim.rs, which compiles it.
 *
 * Knows: files below SHIM_ROOT. Each variable switches one thing on:
 *   SHIM_IMAGE dir   keeps there what a power cut would leave: what was synced, nothing else
 *   SHIM_CUT n       the nth sync is the last moment of the power; SHIM_SEED chooses what else reached the disk
 *   SHIM_LIES 1      syncs keep nothing: shows that a test would notice
 *   SHIM_SLOW n      a sync of a file takes n milliseconds longer
 *   SHIM_EIO n       the nth sync of a file fails
 *   SHIM_ROOM file   a shared number: bytes that the files may have together; beyond it ENOSPC
 *   SHIM_CLOCK file  a shared number: nanoseconds that the wall clock is ahead
 *   SHIM_DRIFT n     the wall clock goes n times as fast as the machine's own
 *   SHIM_SOCKETS f   appends a line to the file for each host that is connected to, sent to or asked for by name
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 64
#define CHANGES_MAX 64
#define SECTOR 512

/* Bytes of a file that were written since its last sync. */
struct written { char path[PATH_MAX]; off_t from, to; };
/* A name that went, or another it got (then `to` is not empty), since the last sync of anything. */
struct change { char from[PATH_MAX], to[PATH_MAX]; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], image[PATH_MAX];
static size_t root_length;
static long cut_at, fail_at, slow, lies, drift, syncs, file_syncs;
static struct timespec began;
static uint64_t dice;
static volatile int64_t *room, *ahead;
static int64_t used;
static struct written files[FILES_MAX];
static struct change changes[CHANGES_MAX];
static int file_count, change_count;
static int witness = -1;

static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_ftruncate)(int, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_connect)(int, const struct sockaddr *, socklen_t);
static ssize_t (*real_sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
static int (*real_getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static volatile int64_t *shared(const char *name) {
    const char *path = getenv(name);
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return NULL;
    void *at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

__attribute__((constructor)) static void start(void) {
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_connect = dlsym(RTLD_NEXT, "connect");
    real_sendto = dlsym(RTLD_NEXT, "sendto");
    real_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
    if (getenv("SHIM_SOCKETS")) witness = open(getenv("SHIM_SOCKETS"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (getenv("SHIM_ROOT")) snprintf(root, sizeof root, "%s/", getenv("SHIM_ROOT"));
    if (getenv("SHIM_IMAGE")) snprintf(image, sizeof image, "%s/", getenv("SHIM_IMAGE"));
    root_length = strlen(root);
    cut_at = number("SHIM_CUT");
    fail_at = number("SHIM_EIO");
    slow = number("SHIM_SLOW");
    lies = number("SHIM_LIES");
    dice = (uint64_t)number("SHIM_SEED") * 2654435761u + 1;
    room = shared("SHIM_ROOM");
    ahead = shared("SHIM_CLOCK");
    real_clock_gettime(CLOCK_MONOTONIC, &began);
    drift = number("SHIM_DRIFT");
}

/* Half of the time. */
static int coin(void) {
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return dice >> 63;
}

/* The path below the root, or NULL. The index of the log in shared memory is nobody's to keep. */
static const char *ours(const char *path) {
    if (!root_length || strncmp(path, root, root_length)) return NULL;
    size_t length = strlen(path);
    if (length > 4 && !strcmp(path + length - 4, "-shm")) return NULL;
    if (length > 10 && !strcmp(path + length - 10, " (deleted)")) return NULL;
    return path + root_length;
}

static const char *path_of(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    if (length < 0) return NULL;
    buffer[length] = 0;
    return ours(buffer);
}

static void in(const char *folder, const char *path, char *buffer) {
    snprintf(buffer, PATH_MAX, "%s%s", folder, path);
}

static struct written *file(const char *path) {
    for (int at = 0; at < file_count; at++)
        if (!strcmp(files[at].path, path)) return &files[at];
    if (file_count == FILES_MAX) abort();
    struct written *new = &files[file_count++];
    snprintf(new->path, PATH_MAX, "%s", path);
    new->from = new->to = 0;
    return new;
}

static void note_written(const char *path, off_t from, off_t to) {
    struct written *one = file(path);
    if (one->from == one->to) { one->from = from; one->to = to; return; }
    if (from < one->from) one->from = from;
    if (to > one->to) one->to = to;
}

/* Brings what was written into the image: all of it, or each sector by the toss of a coin. */
static void keep(struct written *one, int torn) {
    char from[PATH_MAX], to[PATH_MAX], buffer[SECTOR];
    in(root, one->path, from);
    in(image, one->path, to);
    for (char *slash = strchr(to + strlen(image), '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(to, 0700);
        *slash = '/';
    }
    int source = open(from, O_RDONLY), target = open(to, O_WRONLY | O_CREAT, 0600);
    struct stat found;
    if (source >= 0 && target >= 0 && !fstat(source, &found)) {
        if (!torn || coin()) real_ftruncate(target, found.st_size);
        for (off_t at = one->from / SECTOR * SECTOR; at < one->to; at += SECTOR) {
            if (torn && coin()) continue;
            ssize_t length = pread(source, buffer, SECTOR, at);
            if (length > 0) real_pwrite(target, buffer, (size_t)length, at);
        }
    }
    if (source >= 0) close(source);
    if (target >= 0) close(target);
    one->from = one->to = 0;
}

/* Names go to the disk in their order, so a cut leaves the first of them. */
static void keep_names(int torn) {
    char from[PATH_MAX], to[PATH_MAX];
    for (int at = 0; at < change_count && !(torn && coin()); at++) {
        in(image, changes[at].from, from);
        in(image, changes[at].to, to);
        if (changes[at].to[0]) real_rename(from, to); else real_unlink(from);
    }
    change_count = 0;
}

static void note_name(const char *from, const char *to) {
    if (change_count == CHANGES_MAX) keep_names(0);
    snprintf(changes[change_count].from, PATH_MAX, "%s", from);
    snprintf(changes[change_count].to, PATH_MAX, "%s", to);
    change_count++;
    for (int at = 0; at < file_count; at++) {
        if (!strcmp(files[at].path, from)) {
            if (*to) snprintf(files[at].path, PATH_MAX, "%s", to); else files[at].from = files[at].to = 0;
        }
    }
}

static void cut(void) {
    keep_names(1);
    for (int at = 0; at < file_count; at++)
        if (files[at].from != files[at].to) keep(&files[at], 1);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int sync_with(int (*real)(int), int fd) {
    char buffer[PATH_MAX] = "";
    const char *path = path_of(fd, buffer);
    size_t length = path ? 0 : strlen(buffer);
    int is_root = !path && root_length && length + 1 == root_length && !strncmp(buffer, root, length);
    if (!path && !is_root) return real(fd);
    pthread_mutex_lock(&lock);
    struct stat found;
    int is_file = path && !fstat(fd, &found) && S_ISREG(found.st_mode);
    syncs++;
    /* SQLite goes on when a folder cannot be synced: the file's own sync brings its name along. */
    file_syncs += is_file;
    if (is_file && slow) usleep((useconds_t)slow * 1000);
    int result = 0;
    if (is_file && file_syncs == fail_at) {
        /* As Linux does: what could not be written counts as clean from now on. */
        errno = EIO;
        result = -1;
    } else if (syncs == cut_at && !coin()) {
        cut();
    } else if (image[0]) {
        if (!lies) keep_names(0);
        if (!lies && is_file) keep(file(path), 0);
        if (syncs == cut_at) cut();
    } else {
        result = real(fd);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return sync_with(real_fsync, fd); }
int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }

/* Whether there is room for the file to grow to `to`. */
static int may_grow(int fd, off_t to) {
    struct stat found;
    if (!room || fstat(fd, &found) || !S_ISREG(found.st_mode) || to <= found.st_size) return 1;
    if (used + (to - found.st_size) > *room) return 0;
    used += to - found.st_size;
    return 1;
}

static int note_write(int fd, off_t from, size_t length) {
    char buffer[PATH_MAX];
    if (!room && !image[0]) return 1;
    const char *path = path_of(fd, buffer);
    if (!path) return 1;
    pthread_mutex_lock(&lock);
    int allowed = may_grow(fd, from + (off_t)length);
    if (allowed && image[0]) note_written(path, from, from + (off_t)length);
    pthread_mutex_unlock(&lock);
    if (!allowed) errno = ENOSPC;
    return allowed;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    off_t from = room || image[0] ? lseek(fd, 0, SEEK_CUR) : -1;
    if (from >= 0 && !note_write(fd, from, length)) return -1;
    return real_write(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t from) {
    return note_write(fd, from, length) ? real_pwrite(fd, bytes, length, from) : -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t from) {
    return pwrite(fd, bytes, length, from);
}

int ftruncate(int fd, off_t size) {
    char buffer[PATH_MAX];
    struct stat found;
    const char *path = room || image[0] ? path_of(fd, buffer) : NULL;
    if (path && !fstat(fd, &found)) {
        pthread_mutex_lock(&lock);
        if (size < found.st_size) used -= found.st_size - size;
        /* Kept with the next sync, as its size is. */
        if (image[0]) note_written(path, size < found.st_size ? size : found.st_size, size);
        pthread_mutex_unlock(&lock);
    }
    return real_ftruncate(fd, size);
}

int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

int unlink(const char *path) {
    const char *name = ours(path);
    struct stat found;
    if (name) {
        pthread_mutex_lock(&lock);
        if (room && !stat(path, &found)) used -= found.st_size;
        if (image[0]) note_name(name, "");
        pthread_mutex_unlock(&lock);
    }
    return real_unlink(path);
}

int rename(const char *from, const char *to) {
    const char *before = ours(from), *after = ours(to);
    if (before && after && image[0]) {
        pthread_mutex_lock(&lock);
        note_name(before, after);
        pthread_mutex_unlock(&lock);
    }
    return real_rename(from, to);
}

/* Nanoseconds that the wall clock is ahead of the machine's. */
static int64_t ahead_by(void) {
    int64_t by = ahead ? *ahead : 0;
    struct timespec now;
    if (drift && !real_clock_gettime(CLOCK_MONOTONIC, &now))
        by += (drift - 1) * ((now.tv_sec - began.tv_sec) * INT64_C(1000000000) + now.tv_nsec - began.tv_nsec);
    return by;
}

int clock_gettime(clockid_t which, struct timespec *time) {
    if (!real_clock_gettime) real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(which, time);
    if (!result && which == CLOCK_REALTIME && (ahead || drift)) {
        int64_t by = ahead_by(), nanos = time->tv_nsec + by % 1000000000;
        time->tv_sec += by / 1000000000 + (nanos < 0 ? -1 : nanos / 1000000000);
        time->tv_nsec = nanos < 0 ? nanos + 1000000000 : nanos % 1000000000;
    }
    return result;
}

/* One line, written at once: callers on many threads do not mix. */
static void attest(const char *what, const char *host, int port) {
    char line[NI_MAXHOST + 64];
    if (witness < 0) return;
    int length = snprintf(line, sizeof line, port < 0 ? "%s %s\n" : "%s %s %d\n", what, host, port);
    if (length > 0 && real_write(witness, line, (size_t)length) != length) abort();
}

static void attest_address(const char *what, const struct sockaddr *to) {
    char host[INET6_ADDRSTRLEN];
    if (to && to->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)to;
        attest(what, inet_ntop(AF_INET, &four->sin_addr, host, sizeof host), ntohs(four->sin_port));
    } else if (to && to->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)to;
        attest(what, inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host), ntohs(six->sin6_port));
    }
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
    attest_address("connect", to);
    return real_connect(fd, to, length);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    attest_address("send", to);
    return real_sendto(fd, bytes, length, flags, to, size);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    attest("lookup", name ? name : "", -1);
    return real_getaddrinfo(name, service, hints, found);
}
