/*
 * The life of one pod, from its network namespace's first moment to its last, as a runtime would lead it, with a process in
 * the namespace that sends from its first instruction on.
 *
 *   first-instruction NETNS CONFIG [--early] [--give-up MS] [--hold MS] TARGET...
 *
 * CONFIG is what the plugin reads; CNI_CONTAINERID and CNI_ARGS come from the environment. Every socket is open before ADD
 * begins, so that nothing but connect() stands between the plugin's end and the first packet. With --early what is forbidden is
 * tried during ADD too, every millisecond, and during DEL. With --give-up the plugin is killed after so long.
 *
 *   TARGET = KIND/PROTOCOL/ADDRESS/PORT[/SOURCE_PORT]
 *   forbidden   tried again and again until the end; no answer may come
 *   now         TCP: one connect at once; lost when its SYN had to be sent again, or nothing answered
 *   soon        a new try every 10 ms until the first answer
 *
 * One line of JSON tells the outcome. Datagrams hold the container's ID, and only an echo of that is an answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_TARGETS 32
#define RING 16
#define SYN_AGAIN_US 20000
#define SOON_AGAIN_US 10000
#define NOW_PATIENCE_US 5000000
#define SOON_PATIENCE_US 30000000

enum kind { FORBIDDEN, NOW, SOON };
static const char *const kinds[] = {"forbidden", "now", "soon"};

struct target {
  enum kind kind;
  int udp;
  char text[64];
  struct sockaddr_in address, source;
  int fds[RING];
  size_t next;
  long tried_us;
  int tries, answers, retransmits;
  long answered_us;
  const char *error;
};

static struct target targets[MOST_TARGETS];
static int target_count, early, node_fd;
static long give_up_ms, hold_ms, added_us;
static char self[16];

static long now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "first-instruction: cannot %s: %s\n", what, strerror(errno));
  exit(2);
}

static struct target *parse_target(const char *text) {
  struct target *target = &targets[target_count++];
  char kind[16] = "", protocol[8] = "", address[32] = "";
  unsigned port = 0, source = 0;
  if (target_count > MOST_TARGETS || sscanf(text, "%15[^/]/%7[^/]/%31[^/]/%u/%u", kind, protocol, address, &port, &source) < 4) die(text);
  target->kind = strcmp(kind, "now") == 0 ? NOW : strcmp(kind, "soon") == 0 ? SOON : FORBIDDEN;
  target->udp = strcmp(protocol, "udp") == 0;
  snprintf(target->text, sizeof target->text, "%s/%s/%u", protocol, address, port);
  target->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
  if (inet_pton(AF_INET, address, &target->address.sin_addr) != 1) die(text);
  target->source = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((in_port_t)source)};
  for (int i = 0; i < RING; i++) target->fds[i] = -1;
  return target;
}

/* --- sending --- */

static int open_socket(const struct target *target) {
  int on = 1, type = target->udp ? SOCK_DGRAM : SOCK_STREAM;
  int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("open a socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (target->source.sin_port != 0 && bind(fd, (const struct sockaddr *)&target->source, sizeof target->source) != 0) die("bind");
  return fd;
}

/* Whether a packet was given to the kernel: without an address or a route it refuses at once. */
static int try_once(struct target *target, int fd) {
  const struct sockaddr *to = (const struct sockaddr *)&target->address;
  target->tried_us = now_us();
  int sent = target->udp ? sendto(fd, self, strlen(self), MSG_NOSIGNAL, to, sizeof target->address) > 0
                         : connect(fd, to, sizeof target->address) == 0 || errno == EINPROGRESS;
  target->tries += sent;
  return sent;
}

static void answered(struct target *target, const char *error) {
  if (target->answers++ > 0) return;
  target->answered_us = now_us() - added_us;
  target->error = error;
}

/* A refusal comes from the other side, so it is an answer too; what the kernel says by itself is none. */
static void look(struct target *target, int *fd) {
  char text[sizeof self] = {0};
  int error = 0;
  socklen_t size = sizeof error;
  struct pollfd ready = {.fd = *fd, .events = target->udp ? POLLIN : POLLOUT};
  if (*fd < 0 || poll(&ready, 1, 0) <= 0) return;
  if (target->udp) {
    if (recv(*fd, text, sizeof text - 1, 0) > 0 && strcmp(text, self) == 0) answered(target, NULL);
    return;
  }
  getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0 && (ready.revents & POLLHUP) != 0) return; /* not connected yet */
  if (error == 0 || error == ECONNREFUSED) {
    struct tcp_info info = {0};
    size = sizeof info;
    getsockopt(*fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    target->retransmits = info.tcpi_total_retrans;
    answered(target, error == 0 ? NULL : strerrorname_np(error));
  } else if (target->error == NULL) {
    target->error = strerrorname_np(error);
  }
  close(*fd);
  *fd = -1;
}

/* The next try of what is tried again, in a socket of its own: TCP's own second SYN would come after a second only. */
static void try_again(struct target *target, long every_us) {
  int *fd = &target->fds[target->next % RING];
  if (now_us() - target->tried_us < every_us) return;
  if (target->udp) {
    try_once(target, target->fds[0]);
    return;
  }
  if (*fd < 0) *fd = open_socket(target);
  if (!try_once(target, *fd)) {
    target->tried_us = 0;
    return;
  }
  target->next++;
  fd = &target->fds[target->next % RING];
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void go_on(int forbidden_only) {
  for (struct target *target = targets; target < targets + target_count; target++) {
    for (int i = 0; i < RING; i++) look(target, &target->fds[i]);
    if (target->kind == FORBIDDEN) try_again(target, target->udp ? 0 : SYN_AGAIN_US);
    if (target->kind == SOON && !forbidden_only && target->answers == 0) try_again(target, SOON_AGAIN_US);
  }
}

static int waits(long since_us) {
  for (struct target *target = targets; target < targets + target_count; target++) {
    if (target->kind == FORBIDDEN || target->answers > 0) continue;
    if (since_us < (target->kind == NOW ? NOW_PATIENCE_US : SOON_PATIENCE_US)) return 1;
  }
  return since_us < hold_ms * 1000;
}

/* --- the plugin --- */

struct outcome {
  int code, killed;
  long us;
  char output[16384];
};

static void call_plugin(const char *command, const char *config, struct outcome *outcome, int attacks) {
  int ends[2];
  long begun = now_us();
  if (pipe2(ends, O_CLOEXEC) != 0) die("make a pipe");
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    int input = open(config, O_RDONLY);
    if (input < 0 || setns(node_fd, CLONE_NEWNET) != 0) die("enter the node");
    dup2(input, STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    setenv("CNI_COMMAND", command, 1);
    execl("/opt/cni/bin/calico", "/opt/cni/bin/calico", (char *)NULL);
    die("start the plugin");
  }
  close(ends[1]);
  int status = 0, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  struct pollfd end = {.fd = pidfd, .events = POLLIN};
  int limited = give_up_ms > 0 && strcmp(command, "ADD") == 0;
  long limit_us = begun + give_up_ms * 1000;
  for (;;) {
    long left_ms = limited ? (limit_us - now_us()) / 1000 : -1;
    if (poll(&end, 1, attacks ? 1 : limited ? (left_ms > 0 ? (int)left_ms : 0) : -1) == 1) break;
    if (limited && now_us() >= limit_us) kill(pid, SIGKILL);
    if (attacks) go_on(1);
  }
  waitpid(pid, &status, 0);
  added_us = now_us();
  close(pidfd);
  outcome->us = added_us - begun;
  outcome->killed = WIFSIGNALED(status);
  outcome->code = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  /* The output waits in the pipe: the first packets do not wait for it. */
  if (outcome->code == 0 && strcmp(command, "ADD") == 0)
    for (struct target *target = targets; target < targets + target_count; target++)
      if (target->kind != FORBIDDEN || !early) try_once(target, target->fds[0]), target->next = 1;
  for (size_t used = 0;;) {
    ssize_t got = read(ends[0], outcome->output + used, sizeof outcome->output - 1 - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  close(ends[0]);
}

/* --- the namespace --- */

static void make_namespace(const char *path) {
  int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  node_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || node_fd < 0 || unshare(CLONE_NEWNET) != 0) die("make a network namespace");
  if (mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) != 0) die("name the network namespace");
  close(fd);
}

/* Interfaces beside the loopback. */
static int interfaces(void) {
  int count = 0;
  struct if_nameindex *all = if_nameindex();
  for (struct if_nameindex *one = all; one != NULL && one->if_index != 0; one++) count += strcmp(one->if_name, "lo") != 0;
  if_freenameindex(all);
  return count;
}

static void print_text(const char *text) {
  putchar('"');
  for (; *text != 0; text++) {
    if (*text == '"' || *text == '\\') putchar('\\');
    if ((unsigned char)*text >= ' ') putchar(*text);
  }
  putchar('"');
}

static void print_outcome(const char *name, const struct outcome *outcome) {
  printf("\"%s\":{\"code\":%d,\"killed\":%s,\"us\":%ld,\"output\":", name, outcome->code, outcome->killed ? "true" : "false", outcome->us);
  print_text(outcome->output);
  printf("},");
}

int main(int argc, char **argv) {
  static struct outcome add, del;
  if (argc < 3) die("read the arguments");
  for (int i = 3; i < argc; i++) {
    if (strcmp(argv[i], "--early") == 0) early = 1;
    else if (strcmp(argv[i], "--give-up") == 0 && i + 1 < argc) give_up_ms = atol(argv[++i]);
    else if (strcmp(argv[i], "--hold") == 0 && i + 1 < argc) hold_ms = atol(argv[++i]);
    else parse_target(argv[i]);
  }
  const char *id = getenv("CNI_CONTAINERID");
  snprintf(self, sizeof self, "%.12s", id == NULL ? "nobody" : id);
  make_namespace(argv[1]);
  setenv("CNI_NETNS", argv[1], 1);
  for (struct target *target = targets; target < targets + target_count; target++) target->fds[0] = open_socket(target);

  call_plugin("ADD", argv[2], &add, early);
  long since = now_us();
  int left = interfaces();
  if (add.code != 0) hold_ms = 100;
  while (add.code == 0 ? waits(now_us() - since) : now_us() - since < hold_ms * 1000) {
    poll(NULL, 0, 2);
    go_on(add.code != 0);
  }
  for (int i = 0; i < 50; i++) {
    call_plugin("DEL", argv[2], &del, early);
    if (del.code == 0) break;
    usleep(100000);
  }
  int remained = interfaces();
  umount2(argv[1], MNT_DETACH);
  unlink(argv[1]);

  putchar('{');
  print_outcome("add", &add);
  print_outcome("del", &del);
  printf("\"left\":%d,\"remained\":%d,\"targets\":[", left, remained);
  for (struct target *target = targets; target < targets + target_count; target++) {
    printf("%s{\"kind\":\"%s\",\"to\":\"%s\",\"tries\":%d,\"answers\":%d,\"retransmits\":%d,\"us\":%ld,\"error\":\"%s\"}",
           target == targets ? "" : ",", kinds[target->kind], target->text, target->tries, target->answers, target->retransmits,
           target->answered_us, target->error == NULL ? "" : target->error);
  }
  puts("]}");
  return 0;
}
