/*
 * A program as any other, which knows nothing of memtide: it maps memory, writes to all of it and gives it back as a plan
 * says, in step with the clock. Whom the kernel kills for want of memory starts again from the next step, without what it
 * held.
 *
 *   play-plan PLAN FIGURES
 *
 * PLAN, in the order of time; microseconds from the start, leases counted from 0:
 *   take AT_US LEASE BYTES
 *   give AT_US LEASE 0
 *   end AT_US 0 0
 * FIGURES, a line as soon as it is known:
 *   take AT_US LEASE BYTES AVAILABLE_KIB LATE_US WRITTEN_US   available before; how late begun, and how long it took
 *   give AT_US LEASE LATE_US
 *   killed AT_US LEASE BYTES                                  while it took that one; BYTES 0 between two steps
 *   end AT_US LATE_US
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_STEPS 16384

struct step {
  char kind;
  long long at;
  int lease;
  size_t bytes;
};

static struct step steps[MOST_STEPS];
static void *held[MOST_STEPS];
static int count;
static long long started;
static int figures, meminfo;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void until(long long instant) {
  struct timespec t = {.tv_sec = instant / 1000000, .tv_nsec = instant % 1000000 * 1000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

static void read_plan(const char *file) {
  FILE *plan = fopen(file, "r");
  char kind[8];
  if (plan == NULL) fail(file);
  while (count < MOST_STEPS) {
    struct step *step = &steps[count];
    if (fscanf(plan, "%7s %lld %d %zu", kind, &step->at, &step->lease, &step->bytes) != 4) break;
    if (step->lease < 0 || step->lease >= MOST_STEPS) break;
    step->kind = kind[0];
    count++;
  }
  if (!feof(plan) || count == 0 || steps[count - 1].kind != 'e') {
    fprintf(stderr, "%s: line %d is no step of a plan\n", file, count + 1);
    exit(2);
  }
  fclose(plan);
}

/* MemAvailable, the kernel's own word for what can be had without reclaiming what is in use. */
static long available_kib(void) {
  char text[1024];
  ssize_t length = pread(meminfo, text, sizeof text - 1, 0);
  const char *at;
  text[length > 0 ? length : 0] = 0;
  at = strstr(text, "MemAvailable:");
  return at == NULL ? -1 : atol(at + sizeof "MemAvailable:" - 1);
}

static void take(const struct step *step, long long late) {
  const long available = available_kib();
  const long long before = now();
  void *memory = mmap(NULL, step->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap"); /* not without a limit of our own */
  memset(memory, 0x5a, step->bytes);
  held[step->lease] = memory;
  dprintf(figures, "take %lld %d %zu %ld %lld %lld\n", step->at, step->lease, step->bytes, available, late, now() - before);
}

static void give(const struct step *step, const size_t *bytes, long long late) {
  if (held[step->lease] == NULL) return; /* it went with the process that held it */
  munmap(held[step->lease], bytes[step->lease]);
  held[step->lease] = NULL;
  dprintf(figures, "give %lld %d %lld\n", step->at, step->lease, late);
}

/* Never returns. `next` outlives the process: it says which step it was at. */
static void play(volatile int *next) {
  static size_t bytes[MOST_STEPS];
  for (int i = 0; i < count; i++)
    if (steps[i].kind == 't') bytes[steps[i].lease] = steps[i].bytes;
  for (; *next < count; ++*next) {
    const struct step *step = &steps[*next];
    until(started + step->at);
    const long long late = now() - started - step->at;
    if (step->kind == 't') take(step, late);
    else if (step->kind == 'g') give(step, bytes, late);
    else dprintf(figures, "end %lld %lld\n", step->at, late);
  }
  exit(0);
}

static void oom_score(const char *score) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY);
  if (fd < 0) return;
  if (write(fd, score, strlen(score)) < 0) { /* an ordinary user may not: the kernel finds the larger of the two anyway */ }
  close(fd);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  read_plan(argv[1]);
  figures = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
  if (figures < 0) fail(argv[2]);
  meminfo = open("/proc/meminfo", O_RDONLY);
  volatile int *next = mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (next == MAP_FAILED) fail("mmap");
  oom_score("-1000");
  started = now();
  for (;;) {
    int status;
    const pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      oom_score("0");
      play(next);
    }
    if (waitpid(child, &status, 0) != child) fail("waitpid");
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WTERMSIG(status) != SIGKILL) return 1;
    const struct step *step = &steps[*next];
    dprintf(figures, "killed %lld %d %zu\n", now() - started, step->lease, step->kind == 't' ? step->bytes : 0);
    if (step->kind == 't') ++*next;
  }
}
