/*
 * Preloaded into a receiver (LD_PRELOAD): writes down each call that changes the watched directory, in order and
 * with its bytes, and each status update that is sent to a server, so that a power cut can be played at any point
 * afterwards. It also lets calls fail, and shifts the clock, as a small shared file says.
 *
 *   CAMPAIGN_DIRECTORY  the directory that is watched, absolute
 *   CAMPAIGN_LOG        where the record goes; optional
 *   CAMPAIGN_CONTROL    the shared file, see struct control; optional
 *
 * A record: type, open file, id, argument, length of the bytes that follow (little endian, 4+4+8+8+8 bytes).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum type { OPEN = 1, WRITE, WRITTEN, SYNC, SYNCED, RENAME, UNLINK, TRUNCATE, ACK, CLOSE, START };
enum call { NO_CALL, CALL_WRITE, CALL_SYNC, CALL_DIRECTORY_SYNC, CALL_RENAME, CALL_OPEN, CALL_TRUNCATE };

struct control {
  int32_t call;      /* enum call: which calls fail */
  int32_t skip;      /* so many of them go well first */
  int32_t times;     /* so many fail */
  int32_t error;     /* errno */
  int64_t clock_ns;  /* added to the time of day */
  int32_t hits;      /* how many have failed */
};

#define MAX_FD 8192
static struct { int32_t open_id; int is_directory; } watched[MAX_FD];
static char directory[4096];
static size_t directory_length;
static int log_fd = -1;
static volatile struct control *control;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int32_t last_open;
static int64_t last_id;

#define REAL(result, name, ...) \
  static result (*real_##name)(__VA_ARGS__); \
  if (real_##name == NULL) real_##name = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int64_t note(int32_t, int32_t, int64_t, int64_t, const struct iovec *, int);

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("CAMPAIGN_DIRECTORY");
  if (path == NULL) return;
  strncpy(directory, path, sizeof directory - 1);
  directory_length = strlen(directory);
  if ((path = getenv("CAMPAIGN_LOG")) != NULL)
    log_fd = fcntl(syscall(SYS_open, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), F_DUPFD_CLOEXEC, 1000);
  if ((path = getenv("CAMPAIGN_CONTROL")) != NULL) {
    int fd = syscall(SYS_open, path, O_RDWR | O_CLOEXEC, 0);
    void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED) control = shared;
    close(fd);
  }
  note(START, 0, 0, getpid(), NULL, 0);
}

static int64_t note(int32_t type, int32_t file, int64_t id, int64_t argument, const struct iovec *bytes, int count) {
  if (log_fd < 0) return 0;
  struct { int32_t type, file; int64_t id, argument, length; } __attribute__((packed)) head = {type, file, id, argument, 0};
  struct iovec all[66];
  if (count > 64) count = 64;
  for (int i = 0; i < count; i++) { all[i + 1] = bytes[i]; head.length += bytes[i].iov_len; }
  all[0].iov_base = &head;
  all[0].iov_len = sizeof head;
  pthread_mutex_lock(&lock);
  if (head.id == 0) head.id = ++last_id;
  int64_t given = head.id;
  syscall(SYS_writev, log_fd, all, count + 1);
  pthread_mutex_unlock(&lock);
  return given;
}

static int must_fail(enum call call) {
  if (control == NULL || control->call != (int32_t)call || control->times <= 0) return 0;
  pthread_mutex_lock(&lock);
  int fails = 0;
  if (control->call == (int32_t)call && control->times > 0) {
    if (control->skip > 0) control->skip--;
    else { control->times--; control->hits++; fails = control->error; }
  }
  pthread_mutex_unlock(&lock);
  return fails;
}

#define FAIL_IF(call) do { int failure = must_fail(call); if (failure) { errno = failure; return -1; } } while (0)

/* The name within the directory, or NULL. The directory itself is "". */
static const char *name_of(const char *path) {
  if (directory_length == 0 || path == NULL || strncmp(path, directory, directory_length) != 0) return NULL;
  if (path[directory_length] == 0) return path + directory_length;
  return path[directory_length] == '/' ? path + directory_length + 1 : NULL;
}

static int32_t file_of(int fd) { return fd >= 0 && fd < MAX_FD ? watched[fd].open_id : 0; }

static void opened(int fd, const char *path, int flags) {
  const char *name = name_of(path);
  if (fd < 0 || fd >= MAX_FD || name == NULL) return;
  struct stat status;
  if (fstat(fd, &status) != 0) return;
  struct iovec bytes = {(void *)name, strlen(name)};
  watched[fd].is_directory = S_ISDIR(status.st_mode);
  watched[fd].open_id = __sync_add_and_fetch(&last_open, 1);
  note(OPEN, watched[fd].open_id, 0, flags, &bytes, 1);
}

#define OPEN_LIKE(symbol) \
  int symbol(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
    REAL(int, symbol, const char *, int, ...); \
    if (name_of(path) != NULL && (flags & O_ACCMODE) != O_RDONLY) FAIL_IF(CALL_OPEN); \
    int fd = real_##symbol(path, flags, mode); \
    opened(fd, path, flags); \
    return fd; \
  }
OPEN_LIKE(open)
OPEN_LIKE(open64)

int close(int fd) {
  REAL(int, close, int);
  if (file_of(fd)) { note(CLOSE, file_of(fd), 0, 0, NULL, 0); watched[fd].open_id = 0; }
  return real_close(fd);
}

/* A status update is a CopyData message of 34 bytes that begins with 'r'; it goes out alone or with its like. */
static void note_acks(const unsigned char *bytes, size_t length) {
  while (length >= 39 && bytes[0] == 'd' && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0 && bytes[4] == 38 && bytes[5] == 'r') {
    struct iovec payload = {(void *)(bytes + 5), 34};
    note(ACK, 0, 0, 0, &payload, 1);
    bytes += 39;
    length -= 39;
  }
}

#define WRITING(fd, offset, pieces, count, call) \
  int32_t file = file_of(fd); \
  if (!file) { for (int i = 0; i < (count); i++) note_acks((pieces)[i].iov_base, (pieces)[i].iov_len); return call; } \
  FAIL_IF(CALL_WRITE); \
  int64_t id = note(WRITE, file, 0, offset, pieces, count); \
  ssize_t result = call; \
  note(WRITTEN, file, id, result, NULL, 0); \
  return result

ssize_t write(int fd, const void *buffer, size_t length) {
  REAL(ssize_t, write, int, const void *, size_t);
  struct iovec one = {(void *)buffer, length};
  WRITING(fd, lseek(fd, 0, SEEK_CUR), &one, 1, real_write(fd, buffer, length));
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  WRITING(fd, lseek(fd, 0, SEEK_CUR), pieces, count, real_writev(fd, pieces, count));
}

#define PWRITE_LIKE(symbol) \
  ssize_t symbol(int fd, const void *buffer, size_t length, off_t offset) { \
    REAL(ssize_t, symbol, int, const void *, size_t, off_t); \
    struct iovec one = {(void *)buffer, length}; \
    WRITING(fd, offset, &one, 1, real_##symbol(fd, buffer, length, offset)); \
  }
PWRITE_LIKE(pwrite)
PWRITE_LIKE(pwrite64)

#define PWRITEV_LIKE(symbol) \
  ssize_t symbol(int fd, const struct iovec *pieces, int count, off_t offset) { \
    REAL(ssize_t, symbol, int, const struct iovec *, int, off_t); \
    if (count > 64) count = 64; /* a short write, so that the record holds all of it */ \
    WRITING(fd, offset, pieces, count, real_##symbol(fd, pieces, count, offset)); \
  }
PWRITEV_LIKE(pwritev)
PWRITEV_LIKE(pwritev64)

ssize_t send(int fd, const void *buffer, size_t length, int flags) {
  REAL(ssize_t, send, int, const void *, size_t, int);
  note_acks(buffer, length);
  return real_send(fd, buffer, length, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
  for (size_t i = 0; i < message->msg_iovlen; i++)
    note_acks(message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
  return real_sendmsg(fd, message, flags);
}

#define SYNC_LIKE(symbol) \
  int symbol(int fd) { \
    REAL(int, symbol, int); \
    int32_t file = file_of(fd); \
    if (!file) return real_##symbol(fd); \
    FAIL_IF(watched[fd].is_directory ? CALL_DIRECTORY_SYNC : CALL_SYNC); \
    int64_t id = note(SYNC, file, 0, 0, NULL, 0); \
    int result = real_##symbol(fd); \
    note(SYNCED, file, id, result, NULL, 0); \
    return result; \
  }
SYNC_LIKE(fsync)
SYNC_LIKE(fdatasync)

int rename(const char *from, const char *to) {
  REAL(int, rename, const char *, const char *);
  const char *old = name_of(from), *new = name_of(to);
  if (old == NULL || new == NULL) return real_rename(from, to);
  FAIL_IF(CALL_RENAME);
  int result = real_rename(from, to);
  struct iovec names[3] = {{(void *)old, strlen(old)}, {"/", 1}, {(void *)new, strlen(new)}};
  if (result == 0) note(RENAME, 0, 0, 0, names, 3);
  return result;
}

int unlink(const char *path) {
  REAL(int, unlink, const char *);
  const char *name = name_of(path);
  int result = real_unlink(path);
  struct iovec bytes = {(void *)name, name == NULL ? 0 : strlen(name)};
  if (result == 0 && name != NULL) note(UNLINK, 0, 0, 0, &bytes, 1);
  return result;
}

#define TRUNCATE_LIKE(symbol) \
  int symbol(int fd, off_t size) { \
    REAL(int, symbol, int, off_t); \
    if (file_of(fd)) FAIL_IF(CALL_TRUNCATE); \
    int result = real_##symbol(fd, size); \
    if (result == 0 && file_of(fd)) note(TRUNCATE, file_of(fd), 0, size, NULL, 0); \
    return result; \
  }
TRUNCATE_LIKE(ftruncate)
TRUNCATE_LIKE(ftruncate64)

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(int, clock_gettime, clockid_t, struct timespec *);
  int result = real_clock_gettime(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME && control != NULL && control->clock_ns != 0) {
    now->tv_sec += control->clock_ns / 1000000000;
  }
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  REAL(int, gettimeofday, struct timeval *restrict, void *restrict);
  int result = real_gettimeofday(now, zone);
  if (result == 0 && control != NULL && control->clock_ns != 0) now->tv_sec += control->clock_ns / 1000000000;
  return result;
}
