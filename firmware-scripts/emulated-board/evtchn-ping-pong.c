/*
 * The bare event-channel ping-pong between two domains: what Xen and the kernels charge for waking the other side and
 * being woken, with no protocol and no Node around it. memtide's doorbell is measured against this.
 *
 *   evtchn-ping-pong answer DOMID           prints its port, then answers until it is ended
 *   evtchn-ping-pong ask DOMID PORT COUNT   prints one round trip a line, in nanoseconds
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* include/uapi/xen/evtchn.h */
#define BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, 8)
#define BIND_UNBOUND _IOC(_IOC_NONE, 'E', 2, 4)
#define NOTIFY _IOC(_IOC_NONE, 'E', 4, 4)

static int fd;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void ring(uint32_t port) {
  if (ioctl(fd, NOTIFY, &port) != 0) fail("notify");
}

static void hear(void) {
  uint32_t port;
  if (read(fd, &port, sizeof port) != sizeof port) fail("read");
  if (write(fd, &port, sizeof port) != sizeof port) fail("unmask");
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
  if (fd < 0) fail("/dev/xen/evtchn");
  uint32_t domain = (uint32_t)atoi(argv[2]);
  if (strcmp(argv[1], "answer") == 0) {
    int port = ioctl(fd, BIND_UNBOUND, &domain);
    if (port < 0) fail("bind unbound");
    printf("%d\n", port);
    fflush(stdout);
    for (;;) {
      hear();
      ring((uint32_t)port);
    }
  }
  if (argc != 5) return 2;
  uint32_t remote[2] = {domain, (uint32_t)atoi(argv[3])};
  int port = ioctl(fd, BIND_INTERDOMAIN, remote);
  if (port < 0) fail("bind interdomain");
  hear(); /* a channel that was just bound rings once */
  for (int rounds = atoi(argv[4]); rounds > 0; rounds--) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    ring((uint32_t)port);
    hear();
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%lld\n", (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec));
  }
  return 0;
}
