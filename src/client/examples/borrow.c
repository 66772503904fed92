/*
 * Borrows memory from a memtide agent, in C, with nothing but the C library. Copy from it what you need.
 *
 *     cc -O2 -Wall -o borrow borrow.c
 *     ./borrow RUN_DIR/domains/NAME/agent.sock 8388608        # until Enter is pressed, or the memory is wanted back
 *
 * The order of things (the protocol is described in src/coordination/SOCKET.md):
 *   1. connect to the agent's socket and say hello: the agent names the arena file, and a byte to lock;
 *   2. lock that byte: leases live as long as the lock, so they end with this process, however it dies, and not
 *      before, even if the agent is restarted meanwhile;
 *   3. map the arena file once;
 *   4. borrow: the agent names a stretch of the file, or several when there is none long enough; they are zeroed, in
 *      memory, and this process's alone;
 *   5. release it, or just end.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, MADV_POPULATE_WRITE */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older kernels refuse it, and pages come in at the first touch */
#endif

/* The agent accepts lines of up to 64 KiB. Its answers are as long as their extents: about 40 bytes for each, and most
 * leases have one. With "contiguous":true they have one or are refused. */
#define LINE_BYTES 262144

static void fail(const char *what) {
  fprintf(stderr, "borrow: %s: %s\n", what, errno ? strerror(errno) : "unexpected answer");
  exit(1);
}

/* ---- JSON lines: what is needed of JSON, and no more ---- */

struct agent {
  int socket;
  size_t used;          /* bytes in `buffer` that belong to no line that was handed out */
  char buffer[LINE_BYTES];
  char line[LINE_BYTES]; /* the line read last, zero-terminated */
};

/* Reads up to the next end of line. Blocks. NULL when the agent has gone. */
static const char *read_line(struct agent *agent) {
  char *end;
  while (!(end = memchr(agent->buffer, '\n', agent->used))) {
    if (agent->used == sizeof agent->buffer) { errno = EMSGSIZE; fail("read a line"); }
    ssize_t got = read(agent->socket, agent->buffer + agent->used, sizeof agent->buffer - agent->used);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return NULL;
    if (got < 0) fail("read from the agent");
    agent->used += (size_t)got;
  }
  size_t length = (size_t)(end - agent->buffer);
  memcpy(agent->line, agent->buffer, length);
  agent->line[length] = '\0';
  agent->used -= length + 1;
  memmove(agent->buffer, end + 1, agent->used);
  return agent->line;
}

static void say(struct agent *agent, const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= sizeof line) { errno = EMSGSIZE; fail("say"); }
  for (int at = 0; at < length;) {
    ssize_t put = write(agent->socket, line + at, (size_t)(length - at));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write to the agent");
    at += (int)put;
  }
}

/* The value of the first member of this name; NULL when there is none. */
static const char *member(const char *line, const char *name) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":", name);
  const char *found = strstr(line, quoted);
  return found ? found + strlen(quoted) : NULL;
}

static unsigned long long number(const char *line, const char *name) {
  const char *value = member(line, name);
  char *end;
  errno = 0;
  unsigned long long parsed = value ? strtoull(value, &end, 10) : 0;
  if (!value || end == value || errno) { errno = 0; fail(line); }
  return parsed;
}

/* A path: a JSON string, with its escapes of quote, backslash and slash. */
static void text(const char *line, const char *name, char *into, size_t size) {
  const char *from = member(line, name);
  errno = 0;
  if (!from || *from++ != '"') fail(line);
  size_t at = 0;
  for (; *from && *from != '"'; from++) {
    if (*from == '\\' && !strchr("\"\\/", *++from)) fail(line);
    if (at + 1 == size) { errno = ENAMETOOLONG; fail(name); }
    into[at++] = *from;
  }
  into[at] = '\0';
}

/* ---- Where a lease lies ---- */

#define MOST_EXTENTS 4096

struct extent { size_t offset, length; };

/* Reads "extents":[{"offset":…,"length":…},…] of an answer, each within the arena. Returns how many there are. */
static size_t read_extents(const char *answer, size_t arena_bytes, struct extent *into) {
  size_t count = 0;
  const char *at = member(answer, "extents");
  errno = 0;
  if (!at) fail(answer);
  for (; (at = strpbrk(at, "{]")) && *at == '{'; at++, count++) {
    if (count == MOST_EXTENTS) { errno = E2BIG; fail("read the extents"); }
    const struct extent one = { number(at, "offset"), number(at, "length") };
    if (one.length > arena_bytes || one.offset > arena_bytes - one.length) { errno = ERANGE; fail("read the extents"); }
    into[count] = one;
  }
  return count;
}

/* Shows extents that are not neighbours side by side, as one. */
static unsigned char *map_side_by_side(int arena_file, const struct extent *extents, size_t count, size_t length) {
  unsigned char *base = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) fail("reserve addresses");
  unsigned char *next = base;
  for (size_t at = 0; at < count; next += extents[at++].length) {
    const int flags = MAP_SHARED | MAP_FIXED;
    if (mmap(next, extents[at].length, PROT_READ | PROT_WRITE, flags, arena_file, (off_t)extents[at].offset) == MAP_FAILED)
      fail("map an extent");
  }
  return base;
}

/* ---- The order of things ---- */

/* Sends a call and reads its answer; notices that come in between are passed over (see main for those). */
static const char *expect_ok(struct agent *agent) {
  const char *line;
  do line = read_line(agent); while (line && member(line, "notice"));
  if (!line) { errno = ECONNRESET; fail("wait for an answer"); }
  const char *ok = member(line, "ok");
  if (ok && strncmp(ok, "true", 4) == 0) return line;
  fprintf(stderr, "borrow: the agent refused: %s\n", line); /* "error", and often "expected" or "remedy" */
  exit(2);
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: borrow SOCKET BYTES [FILL_BYTE]\n");
    return 64;
  }
  const unsigned long long wanted = strtoull(arguments[2], NULL, 10);
  const int fill = count > 3 ? atoi(arguments[3]) : 0xab;

  /* 1. Connect, and say hello: {"locks":"client"} promises that this process takes the lock itself. */
  static struct agent agent;
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  if (strlen(arguments[1]) >= sizeof address.sun_path) { errno = ENAMETOOLONG; fail(arguments[1]); }
  strcpy(address.sun_path, arguments[1]);
  agent.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (agent.socket < 0 || connect(agent.socket, (struct sockaddr *)&address, sizeof address) != 0) fail(arguments[1]);
  say(&agent, "{\"op\":\"hello\",\"version\":1,\"locks\":\"client\",\"pid\":%d}\n", (int)getpid());
  const char *hello = expect_ok(&agent);
  char arena_path[4096], lock_path[4096], keep_path[4096];
  text(hello, "path", arena_path, sizeof arena_path);
  text(hello, "file", lock_path, sizeof lock_path);
  text(hello, "keep", keep_path, sizeof keep_path);
  const size_t arena_bytes = number(hello, "byteLength");
  struct flock byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number(hello, "byte"), .l_len = 1 };

  /* 2. Lock the byte, for as long as the leases are to live: never close this descriptor. An open-file-description lock
   *    is not lost when some library closes another descriptor of the same file; a plain F_SETLK lock would be. */
  const int lock = open(lock_path, O_RDWR | O_CLOEXEC);
  if (lock < 0 || fcntl(lock, F_OFD_SETLK, &byte) != 0) fail(lock_path);
  say(&agent, "{\"op\":\"ready\"}\n");
  expect_ok(&agent);

  /* 3. Map the arena, all of it, once. The open pipe keeps the file's mount alive as long as somebody uses it. */
  if (open(keep_path, O_RDWR | O_NONBLOCK | O_CLOEXEC) < 0) fail(keep_path);
  const int arena_file = open(arena_path, O_RDWR | O_CLOEXEC);
  if (arena_file < 0) fail(arena_path);
  unsigned char *arena = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, arena_file, 0);
  if (arena == MAP_FAILED) fail("map the arena");

  /* 4. Borrow. One extent is a stretch of what is mapped already; several are mapped once more, side by side. Where that
   *    will not do, ask for {"contiguous":true}: one extent or nothing. */
  say(&agent, "{\"op\":\"borrow\",\"bytes\":%llu,\"deadline_ms\":500,\"revocable\":true}\n", wanted);
  const char *answer = expect_ok(&agent);
  const unsigned long long lease = number(answer, "lease");
  static struct extent extents[MOST_EXTENTS];
  const size_t extent_count = read_extents(answer, arena_bytes, extents);
  size_t length = 0; /* `wanted`, rounded up */
  for (size_t at = 0; at < extent_count; at++) {
    printf("lease %llu at %zu, %zu bytes\n", lease, extents[at].offset, extents[at].length);
    length += extents[at].length;
  }
  unsigned char *memory =
      extent_count == 1 ? arena + extents[0].offset : map_side_by_side(arena_file, extents, extent_count, length);
  madvise(memory, length, MADV_POPULATE_WRITE); /* page-table entries beforehand, so that the touch takes no faults */
  for (size_t at = 0; at < length; at++)
    if (memory[at] != 0) { errno = EIO; fail("find the memory zeroed"); }
  memset(memory, fill, length);
  printf("holding\n");
  fflush(stdout);

  /* Hold it until Enter, or until somebody needs it: {"notice":"reclaim"} asks the holder of a revocable lease to let go
   * soon. It is never taken away; who does not answer is asked less often. If the agent goes, the lease stays. */
  struct pollfd ends[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = agent.socket, .events = POLLIN } };
  for (;;) {
    if (poll(ends, 2, -1) < 0) {
      if (errno == EINTR) continue;
      fail("wait");
    }
    if (ends[0].revents) { printf("done\n"); break; }
    if (!ends[1].revents) continue;
    const char *line = read_line(&agent);
    if (!line) {
      printf("the agent has gone\n");
      fflush(stdout);
      ends[1].fd = -1;
    } else if (member(line, "notice") && number(line, "lease") == lease) { printf("wanted back\n"); break; }
  }
  if (ends[1].fd < 0) return 0; /* the kernel drops the lock, and whoever is the agent by then takes the memory back */

  /* 5. Not one byte of `memory` may be touched from here on: it is somebody else's. */
  say(&agent, "{\"op\":\"release\",\"lease\":%llu}\n", lease);
  expect_ok(&agent);
  say(&agent, "{\"op\":\"bye\"}\n");
  expect_ok(&agent);
  printf("released\n");
  return 0;
}
