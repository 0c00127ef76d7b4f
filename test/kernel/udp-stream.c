/*
 * Numbered packets at a steady pace, and how many of them arrive.
 *   udp-stream receive PORT                 counts until its standard input ends: prints `listening`, then `received N first-lost…`
 *   udp-stream send FROM TO PORT PER_SECOND sends until its standard input ends, then prints `sent N`
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address_of(const char *ip, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, ip, &address.sin_addr) != 1) exit(2);
  return address;
}

static int bound(struct sockaddr_in address) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("bind");
    exit(1);
  }
  return fd;
}

static int has_ended(int milliseconds) {
  struct pollfd input = {.fd = 0, .events = POLLIN};
  return poll(&input, 1, milliseconds) > 0;
}

static int receive(int port) {
  enum { most = 1 << 22 };
  static uint8_t seen[most];
  int fd = bound(address_of("0.0.0.0", port));
  /* Rather late than lost: a busy machine may not let us read for a while. */
  int bytes = 1 << 24;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  puts("listening");
  fflush(stdout);
  struct pollfd waits[] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  long received = 0;
  uint32_t highest = 0;
  while (poll(waits, 2, -1) >= 0 || errno == EINTR) {
    uint32_t number;
    while (recv(fd, &number, sizeof number, MSG_DONTWAIT) == sizeof number) {
      if (number >= most || seen[number]) continue;
      seen[number] = 1;
      received++;
      if (number > highest) highest = number;
    }
    if (waits[1].revents) break;
  }
  printf("received %ld", received);
  int told = 0;
  for (uint32_t number = 0; number < highest && told < 5; number++)
    if (!seen[number]) told++, printf(" %u", number);
  printf("\n");
  return 0;
}

static int send_all(const char *from, const char *to, int port, long per_second) {
  int fd = bound(address_of(from, 0));
  struct sockaddr_in there = address_of(to, port);
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  uint32_t number = 0;
  while (!has_ended(0)) {
    /* A refusal (no route) is a loss like any other. */
    (void)!sendto(fd, &number, sizeof number, 0, (struct sockaddr *)&there, sizeof there);
    number++;
    next.tv_nsec += 1000000000L / per_second;
    if (next.tv_nsec >= 1000000000L) next.tv_nsec -= 1000000000L, next.tv_sec++;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  printf("sent %u\n", number);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "receive") == 0) return receive(atoi(argv[2]));
  if (argc == 6 && strcmp(argv[1], "send") == 0) return send_all(argv[2], argv[3], atoi(argv[4]), atol(argv[5]));
  fprintf(stderr, "usage: udp-stream receive PORT | send FROM TO PORT PER_SECOND\n");
  return 2;
}
