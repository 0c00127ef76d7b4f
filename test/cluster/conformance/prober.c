/*
 * Asks other addresses, many at once, from the network namespace that it stands in; answers SCTP for it too, as the kernel
 * has no SCTP sockets.
 *
 *   prober [SOURCE]        SOURCE: which of its own addresses to ask from
 *
 * A line on stdin is a command, a line on stdout its answer; the end of stdin is its own.
 *   ask MS TARGET...       one letter a target: + answered, - silence for MS, x refused
 *   hold TARGET            opens a connection and keeps it: + or -
 *   say MS                 one letter for each kept connection: whether a byte went there and came back
 *   drop                   closes them all; answers +
 *
 *   TARGET = PROTOCOL ADDRESS:PORT, in one word: t TCP, u UDP, s SCTP, i ICMP echo (its port counts for nothing)
 *
 * TCP counts once a byte came back over the connection, UDP once its datagram did, SCTP once an INIT was acknowledged
 * (RFC 9260 section 5.1). Source ports of UDP and SCTP and identifiers of ICMP are had one after the other: one that comes again
 * too soon would find the kernel remembering the earlier flow, and that would let it pass.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "packets.h"

#define MOST_TARGETS 512
#define MOST_HELD 32
#define FIRST_PORT 1100
#define SCTP_PORT 80
enum { STDIN_TAG = 10000, SCTP_TAG, ICMP_TAG };

struct target {
  char protocol, answer;
  int fd;
  uint16_t source_port;
  struct sockaddr_in address;
};

static struct target targets[MOST_TARGETS], held[MOST_HELD];
static int target_count, held_count, waiting, epoll_fd, sctp_fd, icmp_fd;
static uint16_t next_port = FIRST_PORT;
static struct in_addr source;

static long now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000L + time.tv_nsec / 1000000;
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "prober: cannot %s: %s\n", what, strerror(errno));
  exit(2);
}

static void watch(int fd, uint32_t events, uint32_t tag, int operation) {
  struct epoll_event event = {.events = events, .data.u32 = tag};
  if (epoll_ctl(epoll_fd, operation, fd, &event) < 0) die("watch a socket");
}

static uint16_t fresh_port(void) {
  next_port = next_port < 65000 ? next_port + 1 : FIRST_PORT;
  return next_port;
}

static void settle(struct target *target, char answer) {
  if (target->answer != '-') return;
  target->answer = answer;
  waiting--;
}

static void answered(char protocol, uint16_t identifier) {
  for (int index = 0; index < target_count; index++) {
    struct target *target = &targets[index];
    if (target->protocol == protocol && target->source_port == ntohs(identifier)) settle(target, '+');
  }
}

static int send_sctp(struct sockaddr_in to, uint16_t from_port, uint32_t tag, int is_answer) {
  struct sctp_init packet;
  size_t length = fill_sctp(&packet, (struct sctp_ports){htons(from_port), to.sin_port}, tag, is_answer);
  to.sin_port = 0;
  return sendto(sctp_fd, &packet, length, 0, (struct sockaddr *)&to, sizeof to) < 0 ? -1 : 0;
}

static void read_sctp(void) {
  uint8_t buffer[2048];
  struct sockaddr_in from;
  for (;;) {
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(sctp_fd, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
    if (length < 0) return;
    size_t header = (buffer[0] & 15) * 4u;
    struct sctp_init *packet = (struct sctp_init *)(buffer + header);
    if ((size_t)length < header + sizeof *packet - 8) continue;
    from.sin_port = packet->source;
    if (packet->type == 1 && ntohs(packet->destination) == SCTP_PORT)
      send_sctp(from, SCTP_PORT, packet->initiate_tag, 1);
    if (packet->type == 2) answered('s', packet->destination);
  }
}

static int send_echo(struct target *target) {
  struct icmphdr packet = echo_request(target->source_port = fresh_port());
  struct sockaddr_in to = target->address;
  to.sin_port = 0;
  return sendto(icmp_fd, &packet, sizeof packet, 0, (struct sockaddr *)&to, sizeof to) < 0 ? -1 : 0;
}

static void read_icmp(void) {
  uint8_t buffer[2048];
  for (;;) {
    ssize_t length = recv(icmp_fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0) return;
    size_t header = (buffer[0] & 15) * 4u;
    struct icmphdr *packet = (struct icmphdr *)(buffer + header);
    if ((size_t)length < header + sizeof *packet || packet->type != ICMP_ECHOREPLY) continue;
    answered('i', packet->un.echo.id);
  }
}

static int raw_socket(int protocol) {
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, protocol);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = source};
  int bytes = 1 << 20;
  if (fd < 0) die("open a raw socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (source.s_addr != 0 && bind(fd, (struct sockaddr *)&own, sizeof own) < 0) die("bind a raw socket");
  return fd;
}

static int bind_socket(struct target *target) {
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = source};
  if (target->protocol == 't') {
    int one = 1;
    if (source.s_addr == 0) return 0;
    setsockopt(target->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(target->fd, (struct sockaddr *)&own, sizeof own);
  }
  for (int attempt = 0; attempt < 100; attempt++) {
    own.sin_port = htons(fresh_port());
    if (bind(target->fd, (struct sockaddr *)&own, sizeof own) == 0) return 0;
  }
  return -1;
}

static void begin(struct target *target, uint32_t tag) {
  target->answer = '-';
  target->fd = -1;
  waiting++;
  if (target->protocol == 's') {
    if (send_sctp(target->address, target->source_port = fresh_port(), 0, 0) < 0) settle(target, 'x');
    return;
  }
  if (target->protocol == 'i') {
    if (send_echo(target) < 0) settle(target, 'x');
    return;
  }
  int type = target->protocol == 't' ? SOCK_STREAM : SOCK_DGRAM;
  target->fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (target->fd < 0 || bind_socket(target) < 0) die("open a socket");
  if (connect(target->fd, (struct sockaddr *)&target->address, sizeof target->address) < 0 && errno != EINPROGRESS) {
    settle(target, 'x');
    return;
  }
  if (target->protocol == 'u' && send(target->fd, "?", 1, 0) < 0) settle(target, 'x');
  watch(target->fd, target->protocol == 't' ? EPOLLOUT : EPOLLIN, tag, EPOLL_CTL_ADD);
}

static void progress(struct target *target, uint32_t events, uint32_t tag) {
  char byte;
  int error = 0;
  socklen_t size = sizeof error;
  if (target->answer != '-') return;
  if (events & (EPOLLERR | EPOLLHUP)) {
    getsockopt(target->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    watch(target->fd, 0, tag, EPOLL_CTL_DEL);
    settle(target, 'x');
  } else if (events & EPOLLIN) {
    settle(target, recv(target->fd, &byte, 1, 0) == 1 ? '+' : 'x');
    watch(target->fd, 0, tag, EPOLL_CTL_DEL);
  } else if (events & EPOLLOUT) {
    if (send(target->fd, "?", 1, MSG_NOSIGNAL) != 1) settle(target, 'x');
    watch(target->fd, EPOLLIN, tag, EPOLL_CTL_MOD);
  }
}

/* A reset leaves nothing behind, neither here nor in what tracks connections. */
static void end(struct target *target) {
  struct linger at_once = {.l_onoff = 1};
  if (target->fd < 0) return;
  if (target->protocol == 't') setsockopt(target->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(target->fd);
}

static void turn(int timeout_ms) {
  struct epoll_event events[128];
  int count = epoll_wait(epoll_fd, events, 128, timeout_ms);
  for (int index = 0; index < count; index++) {
    uint32_t tag = events[index].data.u32;
    if (tag == SCTP_TAG) read_sctp();
    else if (tag == ICMP_TAG) read_icmp();
    else if (tag < (uint32_t)target_count) progress(&targets[tag], events[index].events, tag);
  }
}

static void wait_for_answers(long ms) {
  for (long end_ms = now_ms() + ms, left = ms; waiting > 0 && left > 0; left = end_ms - now_ms()) turn((int)left);
}

static struct target parse(const char *word) {
  char address[32] = "";
  unsigned port = 0;
  struct target target = {.address.sin_family = AF_INET};
  if (sscanf(word, "%c%31[^:]:%u", &target.protocol, address, &port) != 3 || !strchr("tusi", target.protocol) ||
      inet_pton(AF_INET, address, &target.address.sin_addr) != 1) {
    errno = EINVAL;
    die(word);
  }
  target.address.sin_port = htons(port);
  return target;
}

static void ask(long ms) {
  target_count = waiting = 0;
  for (char *word; (word = strtok(NULL, " ")) != NULL;) {
    if (target_count == MOST_TARGETS) { errno = E2BIG; die("ask so many"); }
    targets[target_count++] = parse(word);
  }
  for (int index = 0; index < target_count; index++) {
    begin(&targets[index], index);
    /* What has come in meanwhile must not overflow a socket's buffer. */
    if (index % 32 == 31) turn(0);
  }
  wait_for_answers(ms);
  for (int index = 0; index < target_count; index++) {
    end(&targets[index]);
    putchar(targets[index].answer);
  }
  target_count = 0;
}

static void hold(void) {
  targets[0] = parse(strtok(NULL, " "));
  target_count = 1;
  waiting = 0;
  begin(&targets[0], 0);
  wait_for_answers(2000);
  putchar(targets[0].answer);
  target_count = 0;
  if (targets[0].answer == '+' && held_count < MOST_HELD) held[held_count++] = targets[0];
  else end(&targets[0]);
}

static void say(long ms) {
  for (int index = 0; index < held_count; index++) {
    char byte;
    held[index].answer = '-';
    while (recv(held[index].fd, &byte, 1, MSG_DONTWAIT) == 1) continue;
    send(held[index].fd, "!", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  int silent = held_count;
  for (long end_ms = now_ms() + ms; silent > 0 && now_ms() < end_ms; turn(10))
    for (int index = 0; index < held_count; index++) {
      char byte;
      if (held[index].answer != '-' || recv(held[index].fd, &byte, 1, MSG_DONTWAIT) != 1) continue;
      held[index].answer = '+';
      silent--;
    }
  for (int index = 0; index < held_count; index++) putchar(held[index].answer);
}

static void obey(char *line) {
  const char *command = strtok(line, " ");
  if (command == NULL) return;
  if (strcmp(command, "ask") == 0) ask(atol(strtok(NULL, " ")));
  else if (strcmp(command, "hold") == 0) hold();
  else if (strcmp(command, "say") == 0) say(atol(strtok(NULL, " ")));
  else if (strcmp(command, "drop") == 0) {
    while (held_count > 0) end(&held[--held_count]);
    putchar('+');
  } else { errno = EINVAL; die(command); }
  putchar('\n');
  fflush(stdout);
}

int main(int argc, char **argv) {
  static char input[65536];
  size_t length = 0;
  if (argc > 1 && inet_pton(AF_INET, argv[1], &source) != 1) { errno = EINVAL; die(argv[1]); }
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  sctp_fd = raw_socket(IPPROTO_SCTP);
  icmp_fd = raw_socket(IPPROTO_ICMP);
  watch(sctp_fd, EPOLLIN, SCTP_TAG, EPOLL_CTL_ADD);
  watch(icmp_fd, EPOLLIN, ICMP_TAG, EPOLL_CTL_ADD);
  fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
  watch(STDIN_FILENO, EPOLLIN, STDIN_TAG, EPOLL_CTL_ADD);
  puts("ready");
  fflush(stdout);
  for (;;) {
    ssize_t count = read(STDIN_FILENO, input + length, sizeof input - 1 - length);
    if (count == 0) return 0;
    if (count < 0 && errno != EAGAIN) die("read stdin");
    if (count > 0) length += count;
    if (length == sizeof input - 1) { errno = E2BIG; die("read so long a line"); }
    input[length] = 0;
    char *newline = strchr(input, '\n');
    if (newline == NULL) {
      turn(-1);
      continue;
    }
    *newline = 0;
    obey(input);
    length -= newline + 1 - input;
    memmove(input, newline + 1, length);
  }
}
