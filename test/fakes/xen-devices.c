/*
 * A stand-in for Xen's devices, for one machine without Xen: event channels, gntalloc and gntdev as processes see them, by
 * the kernel's interfaces (Linux, include/uapi/xen). Loaded with LD_PRELOAD into the agents and applications of "domains"
 * that are processes. What only a hypervisor has is not here: isolation, notices of death, and grants that end with who
 * made them. The emulated board has all of it (test/xen).
 *
 *   FAKE_XEN_DIR   a folder on tmpfs that all domains share
 *   FAKE_DOMID     whose process this is
 *
 * An event channel's device is a named pipe that gets the numbers of ports, pages of gntalloc are a file, and mapping a
 * grant maps that file. Of Xen's hypercalls there are the two that ask for grants: how many there may be, and the exchange
 * of two, which is refused while one of them is mapped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAGE = 4096, REFS = 1 << 19, PORTS = 4096, MAPS = 8192, FDS = 65536, FIRST_REF = 8 };
enum { OTHER, EVTCHN, GNTALLOC, GNTDEV, PRIVCMD };
enum { FREE, LIVE };

static struct {
  int next_ref, next_port, next_file, granted;
  struct { int file, page, state, mapped; } ref[REFS];
  struct { int used, file, peer; } port[PORTS];
} *shared;

static struct { int kind, file; dev_t dev; ino_t ino; } opened[FDS];
static struct { int used, fd, count, mapped, *refs; } maps[MAPS];
static const char *folder;
static int domid;

static int (*real_open)(const char *, int, ...);
static int (*real_ioctl)(int, unsigned long, ...);
static int (*real_connect)(int, const struct sockaddr *, socklen_t);
static void *(*real_mmap)(void *, size_t, int, int, int, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);

static void start(void) {
  if (shared) return;
  real_open = dlsym(RTLD_NEXT, "open64");
  real_ioctl = dlsym(RTLD_NEXT, "ioctl");
  real_connect = dlsym(RTLD_NEXT, "connect");
  real_mmap = dlsym(RTLD_NEXT, "mmap64");
  real_write = dlsym(RTLD_NEXT, "write");
  folder = getenv("FAKE_XEN_DIR");
  domid = atoi(getenv("FAKE_DOMID"));
  char path[512];
  snprintf(path, sizeof path, "%s/state", folder);
  int fd = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof *shared) != 0) abort();
  shared = real_mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
}

static int open_file(const char *form, int number, int flags) {
  char path[512];
  char name[64];
  snprintf(name, sizeof name, form, number);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return real_open(path, flags | O_CLOEXEC, 0600);
}

static int open_device(int kind) {
  int file = __sync_add_and_fetch(&shared->next_file, 1);
  char path[512];
  int fd;
  if (kind == EVTCHN) {
    snprintf(path, sizeof path, "%s/evtchn-%d", folder, file);
    if (mkfifo(path, 0600) != 0) return -1;
    fd = open_file("evtchn-%d", file, O_RDWR | O_NONBLOCK);
  } else {
    fd = open_file("pages-%d", file, O_RDWR | O_CREAT);
  }
  struct stat about;
  if (fd < 0 || fd >= FDS || fstat(fd, &about) != 0) return -1;
  opened[fd].kind = kind;
  opened[fd].file = file;
  opened[fd].dev = about.st_dev;
  opened[fd].ino = about.st_ino;
  return fd;
}

/* What the descriptor is now: it may have been closed, and be another file's. */
static int kind_of(int fd) {
  struct stat about;
  if (fd < 0 || fd >= FDS || opened[fd].kind == OTHER || fstat(fd, &about) != 0) return OTHER;
  return about.st_dev == opened[fd].dev && about.st_ino == opened[fd].ino ? opened[fd].kind : OTHER;
}

static int open_any(const char *path, int flags, int mode) {
  start();
  if (strcmp(path, "/dev/xen/evtchn") == 0) return open_device(EVTCHN);
  if (strcmp(path, "/dev/xen/gntalloc") == 0) return open_device(GNTALLOC);
  if (strcmp(path, "/dev/xen/gntdev") == 0) return open_device(GNTDEV);
  if (strcmp(path, "/dev/xen/privcmd") == 0 && domid == 0) return open_device(PRIVCMD);
  if (strcmp(path, "/sys/module/xen_gntalloc/parameters/limit") == 0) return open_file("limit-%d", domid, flags);
  return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  return open_any(path, flags, mode);
}

static int fail(int code) {
  errno = code;
  return -1;
}

static int new_port(int fd, int peer) {
  int port = __sync_add_and_fetch(&shared->next_port, 1);
  if (port >= PORTS) return fail(ENOSPC);
  shared->port[port].file = opened[fd].file;
  shared->port[port].peer = peer;
  shared->port[port].used = 1;
  return port;
}

static int bind_interdomain(int fd, unsigned remote) {
  if (remote >= PORTS || !shared->port[remote].used || shared->port[remote].peer != 0) return fail(EINVAL);
  int port = new_port(fd, (int)remote);
  if (port < 0) return -1;
  shared->port[remote].peer = port;
  real_write(fd, &port, sizeof port); /* a channel that was just bound rings once */
  return port;
}

static int notify(unsigned port) {
  if (port >= PORTS || !shared->port[port].used) return fail(ENOTCONN);
  int peer = shared->port[port].peer;
  int fd = peer == 0 ? -1 : open_file("evtchn-%d", shared->port[peer].file, O_WRONLY | O_NONBLOCK);
  if (fd < 0) return 0; /* nobody is there */
  real_write(fd, &peer, sizeof peer);
  close(fd);
  return 0;
}

static int unbind(unsigned port) {
  if (port >= PORTS) return fail(EINVAL);
  shared->port[shared->port[port].peer].peer = 0;
  shared->port[port].used = 0;
  return 0;
}

static int limit(void) {
  char text[32] = "1024";
  int fd = open_file("limit-%d", domid, O_RDONLY);
  if (fd >= 0) {
    if (read(fd, text, sizeof text - 1) <= 0) abort();
    close(fd);
  }
  return atoi(text);
}

/* struct ioctl_gntalloc_alloc_gref: u16 domid, u16 flags, u32 count, u64 index, u32 references[] */
static int alloc_pages(int fd, uint32_t *words) {
  int count = (int)words[1];
  if (domid == 0 && shared->granted + count > limit()) return fail(ENOSPC);
  struct stat about;
  if (fstat(fd, &about) != 0 || ftruncate(fd, about.st_size + (off_t)count * PAGE) != 0) return -1;
  int first = FIRST_REF + __sync_fetch_and_add(&shared->next_ref, count);
  if (first + count > REFS) return fail(ENOSPC);
  for (int at = 0; at < count; at++) {
    shared->ref[first + at].file = opened[fd].file;
    shared->ref[first + at].page = (int)(about.st_size / PAGE) + at;
    shared->ref[first + at].mapped = 0;
    shared->ref[first + at].state = LIVE;
    words[4 + at] = (uint32_t)(first + at);
  }
  if (domid == 0) __sync_fetch_and_add(&shared->granted, count);
  memcpy(words + 2, &(uint64_t){(uint64_t)about.st_size}, 8);
  return 0;
}

/* The kernel keeps pages aside that the other side has mapped, but it counts them no more (Linux 5.17). */
static int end_pages(int fd, const uint32_t *words) {
  uint64_t index;
  memcpy(&index, words, 8);
  int first = (int)(index / PAGE), still = 0;
  for (int ref = FIRST_REF; ref < FIRST_REF + shared->next_ref; ref++) {
    int page = shared->ref[ref].page;
    if (shared->ref[ref].file != opened[fd].file || page < first || page >= first + (int)words[2]) continue;
    shared->ref[ref].state = FREE;
    still += shared->ref[ref].mapped;
    if (domid == 0) __sync_fetch_and_sub(&shared->granted, 1); /* only dom0's are counted */
  }
  off_t length = (off_t)words[2] * PAGE;
  /* Free memory, once nobody has it mapped. */
  if (still == 0) fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)index, length);
  return 0;
}

/* A file "no-notice-0" makes the kernel refuse. */
static int ask_notice(void) {
  int fd = open_file("no-notice-%d", 0, O_RDONLY);
  if (fd < 0) return 0;
  close(fd);
  return fail(EINVAL);
}

/* struct ioctl_gntdev_map_grant_ref: u32 count, u32 pad, u64 index, {u32 domid, u32 ref}[] */
static int prepare_map(int fd, uint32_t *words) {
  int at = 0;
  while (at < MAPS && !__sync_bool_compare_and_swap(&maps[at].used, 0, 1)) at++; /* planes are threads */
  if (at == MAPS) return fail(ENOMEM);
  maps[at].fd = fd;
  maps[at].count = (int)words[0];
  maps[at].mapped = 0;
  maps[at].refs = malloc(words[0] * sizeof(int));
  for (int page = 0; page < maps[at].count; page++) maps[at].refs[page] = (int)words[4 + page * 2 + 1];
  memcpy(words + 2, &(uint64_t){(uint64_t)(at + 1) << 24}, 8);
  return 0;
}

static int find_map(int fd, uint64_t index) {
  int at = (int)(index >> 24) - 1;
  return at >= 0 && at < MAPS && maps[at].used && maps[at].fd == fd ? at : -1;
}

static int forget_map(int fd, const uint32_t *words) {
  uint64_t index;
  memcpy(&index, words, 8);
  int at = find_map(fd, index);
  if (at < 0) return fail(ENOENT);
  for (int page = 0; maps[at].mapped && page < maps[at].count; page++) {
    __sync_fetch_and_sub(&shared->ref[maps[at].refs[page]].mapped, 1);
  }
  free(maps[at].refs);
  maps[at].used = 0;
  return 0;
}

static void *map_grants(int at, char *address, size_t length, int protection) {
  int count = maps[at].count;
  const int *refs = maps[at].refs;
  for (int page = 0; page < count; page++) {
    if (refs[page] < FIRST_REF || refs[page] >= REFS || shared->ref[refs[page]].state != LIVE || maps[at].mapped) {
      errno = EINVAL;
      return MAP_FAILED;
    }
  }
  if (!address) address = real_mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int page = 0, run; page < count; page += run) {
    int file = shared->ref[refs[page]].file, first = shared->ref[refs[page]].page;
    for (run = 1; page + run < count; run++) {
      int next = refs[page + run];
      if (shared->ref[next].file != file || shared->ref[next].page != first + run) break;
    }
    int fd = open_file("pages-%d", file, O_RDWR);
    real_mmap(address + (size_t)page * PAGE, (size_t)run * PAGE, protection, MAP_SHARED | MAP_FIXED, fd, (off64_t)first * PAGE);
    close(fd);
    for (int each = page; each < page + run; each++) __sync_fetch_and_add(&shared->ref[refs[each]].mapped, 1);
  }
  maps[at].mapped = 1;
  return address;
}

/* struct gnttab_swap_grant_ref: u32 a, u32 b, s16 status. Nobody looks what a grant shows between two exchanges. */
static int swap_grants(uint32_t *words, uint64_t count) {
  for (; count > 0; count--, words += 3) {
    int busy = shared->ref[words[0]].mapped != 0 || shared->ref[words[1]].mapped != 0;
    words[2] = (uint16_t)(busy ? -12 : 0);
  }
  return 0;
}

/* struct privcmd_hypercall: u64 number, u64 arguments[5]; of the grant table's: command, structures, how many */
static int hypercall(const uint64_t *longs) {
  uint32_t *words = (uint32_t *)longs[2];
  if (longs[0] != 20) return fail(ENOSYS);
  if (longs[1] == 11) return swap_grants(words, longs[3]);
  if (longs[1] != 6) return fail(ENOSYS);
  words[1] = words[2] = REFS / 512; /* struct gnttab_query_size: u16 domid, u32 frames, u32 most, s16 status */
  words[3] = 0;
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  uint32_t *words = va_arg(rest, void *);
  va_end(rest);
  start();
  switch (kind_of(fd)) {
    case EVTCHN:
      if (request == 0x44502) return new_port(fd, 0);
      if (request == 0x84501) return bind_interdomain(fd, words[1]);
      if (request == 0x44503) return unbind(words[0]);
      if (request == 0x44504) return notify(words[0]);
      return request == 0x4505 ? 0 : fail(ENOSYS);
    case GNTALLOC:
      if (request == 0x184705) return alloc_pages(fd, words);
      if (request == 0x104706) return end_pages(fd, words);
      return request == 0x104707 ? ask_notice() : fail(ENOSYS);
    case GNTDEV:
      if (request == 0x184700) return prepare_map(fd, words);
      return request == 0x104701 ? forget_map(fd, words) : fail(ENOSYS);
    case PRIVCMD:
      return request == 0x305000 ? hypercall((const uint64_t *)words) : fail(ENOSYS);
    default:
      return real_ioctl(fd, request, words);
  }
}

static void *map_any(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  start();
  if (kind_of(fd) != GNTDEV) return real_mmap(address, length, protection, flags, fd, offset);
  int at = find_map(fd, (uint64_t)offset);
  if (at >= 0 && length == (size_t)maps[at].count * PAGE) {
    return map_grants(at, flags & MAP_FIXED ? address : NULL, length, protection);
  }
  errno = EINVAL;
  return MAP_FAILED;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  return map_any(address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  return map_any(address, length, protection, flags, fd, offset);
}

/* Unmasking: a pipe's ports are never masked. */
ssize_t write(int fd, const void *bytes, size_t length) {
  start();
  return kind_of(fd) == EVTCHN ? (ssize_t)length : real_write(fd, bytes, length);
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  start();
  const struct sockaddr_un *local = (const void *)address;
  if (address->sa_family != AF_UNIX || strcmp(local->sun_path, "/run/xenstored/socket") != 0) {
    return real_connect(fd, address, length);
  }
  struct sockaddr_un store = {.sun_family = AF_UNIX};
  snprintf(store.sun_path, sizeof store.sun_path, "%s/xs-%d", folder, domid);
  return real_connect(fd, (const void *)&store, sizeof store);
}
