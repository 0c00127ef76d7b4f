/*
 * The program of the lab's container image: it echoes on ports, and asks other addresses.
 *
 *   probe serve [--first ADDRESS:PORT] [--tcp PORT]... [--udp PORT]...
 *   probe ask tcp|udp ADDRESS:PORT [TIMEOUT_MS]          exits with 0 when the answer is open
 *
 * The answer is one word: open (a byte went there and came back), timeout, closed, or the name of an errno. What is given by
 * --first, or in the environment by FIRST, is asked over TCP before anything else is done; the line that tells the outcome
 * begins with `first`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_PORTS 16
#define PATIENCE_MS 2000

struct target {
  struct sockaddr_storage address;
  socklen_t size;
};

static _Noreturn void refuse(const char *what) {
  fprintf(stderr, "probe: cannot read %s\n", what);
  exit(2);
}

static struct target parse_target(const char *text) {
  struct target target = {0};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&target.address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target.address;
  char host[64] = {0};
  const char *colon = strrchr(text, ':');
  if (colon == NULL || (size_t)(colon - text) >= sizeof host) refuse(text);
  memcpy(host, text, (size_t)(colon - text));
  in_port_t port = htons((in_port_t)atoi(colon + 1));
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    target.size = sizeof *v4;
  } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    target.size = sizeof *v6;
  } else {
    refuse(text);
  }
  return target;
}

static const char *exchange(int fd, const struct target *target, int timeout_ms) {
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  char byte = '?';
  int error = 0;
  socklen_t size = sizeof error;
  if (connect(fd, (const struct sockaddr *)&target->address, target->size) != 0 && errno != EINPROGRESS)
    return strerrorname_np(errno);
  if (poll(&ready, 1, timeout_ms) == 0) return "timeout";
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return strerrorname_np(error);
  if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) return strerrorname_np(errno);
  ready.events = POLLIN;
  if (poll(&ready, 1, timeout_ms) == 0) return "timeout";
  ssize_t got = recv(fd, &byte, 1, 0);
  if (got < 0) return strerrorname_np(errno);
  return got == 0 ? "closed" : "open";
}

static const char *ask(int type, const char *text, int timeout_ms) {
  struct target target = parse_target(text);
  int fd = socket(target.address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return strerrorname_np(errno);
  const char *answer = exchange(fd, &target, timeout_ms);
  close(fd);
  return answer;
}

static void ask_first(const char *text) {
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  const char *answer = ask(SOCK_STREAM, text, PATIENCE_MS);
  clock_gettime(CLOCK_MONOTONIC, &to);
  long us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
  printf("first %s %s after %ld us\n", text, answer, us);
  fflush(stdout);
}

/* On every address of both families where the kernel has both. */
static int open_port(int type, const char *text) {
  int on = 1, off = 0, port = atoi(text);
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)port)};
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
  if (port < 1 || port > 65535) refuse(text);
  int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
  int bound;
  if (fd >= 0) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bound = bind(fd, (struct sockaddr *)&v6, sizeof v6);
  } else {
    fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bound = bind(fd, (struct sockaddr *)&v4, sizeof v4);
  }
  if (bound != 0 || (type == SOCK_STREAM && listen(fd, 512) != 0)) {
    perror("probe: cannot listen");
    exit(1);
  }
  return fd;
}

static void echo_stream(int listener) {
  char buffer[4096];
  ssize_t got;
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) return;
  if (fork() == 0) {
    while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
      for (ssize_t sent = 0, now; sent < got; sent += now)
        if ((now = send(fd, buffer + sent, (size_t)(got - sent), MSG_NOSIGNAL)) < 0) _exit(0);
    _exit(0);
  }
  close(fd);
}

static void echo_datagram(int fd) {
  char buffer[65536];
  struct sockaddr_storage from;
  socklen_t size = sizeof from;
  ssize_t got = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size);
  if (got >= 0) sendto(fd, buffer, (size_t)got, 0, (struct sockaddr *)&from, size);
}

static void end(int signal_number) {
  (void)signal_number;
  _exit(0);
}

static _Noreturn void serve(int count, char **words) {
  struct pollfd ports[MOST_PORTS];
  int types[MOST_PORTS];
  nfds_t used = 0;
  for (int i = 0; i + 1 < count; i += 2) {
    if (strcmp(words[i], "--first") == 0) continue;
    if (used == MOST_PORTS) refuse("so many ports");
    if (strcmp(words[i], "--tcp") == 0) types[used] = SOCK_STREAM;
    else if (strcmp(words[i], "--udp") == 0) types[used] = SOCK_DGRAM;
    else refuse(words[i]);
    ports[used].fd = open_port(types[used], words[i + 1]);
    ports[used++].events = POLLIN;
  }
  puts("serving");
  fflush(stdout);
  for (;;) {
    if (poll(ports, used, -1) < 0) continue;
    for (nfds_t i = 0; i < used; i++) {
      if (ports[i].revents == 0) continue;
      if (types[i] == SOCK_STREAM) echo_stream(ports[i].fd);
      else echo_datagram(ports[i].fd);
    }
  }
}

int main(int argc, char **argv) {
  const char *first = getenv("FIRST");
  for (int i = 2; i + 1 < argc; i++)
    if (strcmp(argv[i], "--first") == 0) first = argv[i + 1];
  if (first != NULL && argc > 1 && strcmp(argv[1], "serve") == 0) ask_first(first);
  /* As process 1 it gets no signal that it does not handle. */
  signal(SIGTERM, end);
  signal(SIGINT, end);
  signal(SIGCHLD, SIG_IGN);
  if (argc > 1 && strcmp(argv[1], "serve") == 0) serve(argc - 2, argv + 2);
  if (argc > 3 && strcmp(argv[1], "ask") == 0) {
    int type = strcmp(argv[2], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
    const char *answer = ask(type, argv[3], argc > 4 ? atoi(argv[4]) : PATIENCE_MS);
    puts(answer);
    return strcmp(answer, "open") == 0 ? 0 : 1;
  }
  refuse("the arguments");
}
