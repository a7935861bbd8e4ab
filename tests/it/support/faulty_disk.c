// Lets writes to certain files fail, in whatever process this library is preloaded.
//
// FAULTY_DISK_CONTROL names a file of four 64-bit numbers that the test changes while the process runs:
//   mode       0: nothing fails; 1: the disk is full, so what would make a file longer fails;
//              2: the call that brings `countdown` to zero fails, of all that write, cut or flush
//   error      what the failing call says
//   countdown  for mode 2
//   seen       how many calls there were
// FAULTY_DISK_PATH is a part of the paths that are meant.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
  volatile int64_t mode, error, countdown, seen;
};

static struct control *control;
static const char *part;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("FAULTY_DISK_CONTROL");
  part = getenv("FAULTY_DISK_PATH");
  if (!name || !part) return;
  int file = open(name, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) control = mapped;
  close(file);
}

static int meant(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, part) != NULL;
}

// `end` is where a write would end, or -1 for what makes no file longer.
static int fails(int file, int64_t end) {
  if (!control) return 0;
  int before = errno;
  if (!meant(file)) {
    errno = before;
    return 0;
  }
  __sync_add_and_fetch(&control->seen, 1);
  int fail = 0;
  if (control->mode == 1) {
    struct stat now;
    fail = end >= 0 && fstat(file, &now) == 0 && end > now.st_size;
  } else if (control->mode == 2) {
    fail = __sync_sub_and_fetch(&control->countdown, 1) == 0;
  }
  errno = fail ? (int)control->error : before;
  return fail;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int64_t total(const struct iovec *parts, int count) {
  int64_t sum = 0;
  for (int at = 0; at < count; at++) sum += (int64_t)parts[at].iov_len;
  return sum;
}

ssize_t write(int file, const void *bytes, size_t length) {
  REAL(write);
  int64_t at = control ? lseek(file, 0, SEEK_CUR) : -1;
  if (at >= 0 && fails(file, at + (int64_t)length)) return -1;
  return real(file, bytes, length);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
  REAL(pwrite);
  return fails(file, at + (int64_t)length) ? -1 : real(file, bytes, length, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
  REAL(pwrite64);
  return fails(file, at + (int64_t)length) ? -1 : real(file, bytes, length, at);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
  REAL(pwritev);
  return fails(file, at + total(parts, count)) ? -1 : real(file, parts, count, at);
}

int posix_fallocate(int file, off_t at, off_t length) {
  REAL(posix_fallocate);
  return fails(file, at + length) ? errno : real(file, at, length);
}

int ftruncate(int file, off_t length) {
  REAL(ftruncate);
  return fails(file, length) ? -1 : real(file, length);
}

int ftruncate64(int file, off64_t length) {
  REAL(ftruncate64);
  return fails(file, length) ? -1 : real(file, length);
}

int fsync(int file) {
  REAL(fsync);
  return fails(file, -1) ? -1 : real(file);
}

int fdatasync(int file) {
  REAL(fdatasync);
  return fails(file, -1) ? -1 : real(file);
}
