/*
 * The CNI executables `calico` and `calico-ipam`. It decides nothing: it carries one request to the agent and its answer
 * back. What it does by itself is what must work without an agent: wait for one (ADD), remember (DEL), say so (the rest).
 *
 *   request   4 bytes length, then: own name NUL, CNI_X=value NUL ..., NUL, standard input as it came
 *   answer    4 bytes length of the output, 1 byte exit code, then the output      (lengths in network order)
 *
 * The socket stays open both ways until the answer is whole, so that the agent sees a caller that hangs up.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef MARGAY_SOCKET
#define MARGAY_SOCKET "/run/margay/cni.sock"
#endif
#ifndef MARGAY_SPOOL
#define MARGAY_SPOOL "/var/lib/margay/cni/spool"
#endif
#ifndef MARGAY_WAIT_MS
#define MARGAY_WAIT_MS 10000
#endif
#define INPUT_LIMIT (8 << 20)

extern char **environ;
static char *request;
/* Bytes of the request with the length before it, and those of them before the configuration. */
static size_t used, input;
#define LENGTH_BYTES sizeof(uint32_t)

static const char *versions[] = {"1.1.0", "1.0.0", "0.4.0", "0.3.1", "0.3.0", "0.2.0", "0.1.0"};

/*
 * The configuration's cniVersion when we speak it, else our newest. No reader of JSON: an object within the configuration
 * has the same version, if it has one.
 */
static const char *version_in_use(void) {
  static const char key[] = "\"cniVersion\"";
  const char *c = request == NULL ? NULL : memmem(request + input, used - input, key, sizeof key - 1);
  const char *end = request + used;
  if (c == NULL) return versions[0];
  for (c += sizeof key - 1; c < end && (isspace((unsigned char)*c) || *c == ':' || *c == '"');) c++;
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    size_t size = strlen(versions[i]);
    if ((size_t)(end - c) > size && memcmp(c, versions[i], size) == 0 && c[size] == '"') return versions[i];
  }
  return versions[0];
}

/* Prints a CNI error object and ends. `why` is the library's text of an errno, or ours: nothing in it needs escaping. */
static void fail(int code, const char *what, const char *why) {
  printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n", version_in_use(), code, what, why);
  exit(1);
}

static void append(const void *bytes, size_t size) {
  request = realloc(request, used + size);
  if (request == NULL) fail(11, "Cannot hold the request", strerror(ENOMEM));
  memcpy(request + used, bytes, size);
  used += size;
}

static void build_request(const char *name) {
  char buffer[65536];
  ssize_t got;
  append("\0\0\0", LENGTH_BYTES);
  append(name, strlen(name) + 1);
  for (char **entry = environ; *entry != NULL; entry++)
    if (strncmp(*entry, "CNI_", 4) == 0) append(*entry, strlen(*entry) + 1);
  append("", 1);
  input = used;
  while ((got = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(5, "Cannot read the configuration from standard input", strerror(errno));
    append(buffer, (size_t)got);
    if (used > INPUT_LIMIT) fail(6, "Cannot take the configuration on standard input", "it is longer than 8 MiB");
  }
}

static int write_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t done = write(fd, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return -1;
    bytes += done;
    size -= (size_t)done;
  }
  return 0;
}

static int read_all(int fd, char *bytes, size_t size) {
  while (size > 0) {
    ssize_t done = read(fd, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return -1;
    bytes += done;
    size -= (size_t)done;
  }
  return 0;
}

/* One request and its answer: the exit code, the output printed. -1 when no agent is there, or it went before it answered. */
static int exchange(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = MARGAY_SOCKET};
  uint32_t length = htonl((uint32_t)(used - LENGTH_BYTES));
  unsigned char head[5];
  int code = -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  memcpy(request, &length, sizeof length);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      write_all(fd, request, used) == 0 && read_all(fd, (char *)head, sizeof head) == 0) {
    memcpy(&length, head, sizeof length);
    size_t size = ntohl(length);
    char *output = malloc(size + 1);
    if (output != NULL && read_all(fd, output, size) == 0) {
      if (write_all(STDOUT_FILENO, output, size) != 0) exit(1);
      code = head[4];
    }
    free(output);
  }
  close(fd);
  return code;
}

static long now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000L + time.tv_nsec / 1000000L;
}

/* Container ID and interface name as the specification allows them, so that both may be part of a file's name. */
static int valid_names(const char *id, const char *interface) {
  if (id == NULL || !isalnum((unsigned char)*id) || strlen(id) > 200) return 0;
  for (const char *c = id; *c != 0; c++)
    if (!isalnum((unsigned char)*c) && strchr("_.-", *c) == NULL) return 0;
  if (interface == NULL || *interface == 0 || strlen(interface) > 15) return 0;
  if (strcmp(interface, ".") == 0 || strcmp(interface, "..") == 0) return 0;
  for (const char *c = interface; *c != 0; c++)
    if (*c == '/' || *c == ':' || isspace((unsigned char)*c)) return 0;
  return 1;
}

/* Leaves the request for the agent to find, safe against a crash from here on. Writes the file's path into `path`. */
static int spool(const char *id, const char *interface, char *path, size_t size) {
  char folder[] = MARGAY_SPOOL, draft[512];
  unsigned long long random;
  for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return -1;
    *slash = '/';
  }
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) return -1;
  /* A process ID comes again, after a reboot at the latest. The agent removes drafts whose writer is gone, by this name. */
  if (getrandom(&random, sizeof random, 0) != sizeof random) return -1;
  snprintf(draft, sizeof draft, "%s/.%s:%s.%d-%016llx", folder, id, interface, (int)getpid(), random);
  snprintf(path, size, "%s/%s:%s", folder, id, interface);
  int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  int failed = write_all(fd, request + LENGTH_BYTES, used - LENGTH_BYTES) != 0 || fsync(fd) != 0;
  int reason = errno;
  close(fd);
  if (failed || rename(draft, path) != 0) {
    reason = failed ? reason : errno;
    unlink(draft);
    errno = reason;
    return -1;
  }
  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  failed = fsync(fd) != 0;
  close(fd);
  return failed ? -1 : 0;
}

static int delete_without_agent(void) {
  const char *id = getenv("CNI_CONTAINERID"), *interface = getenv("CNI_IFNAME");
  char path[512];
  if (!valid_names(id, interface))
    fail(4, "Cannot keep this DEL until the agent is back", "CNI_CONTAINERID or CNI_IFNAME is missing or malformed");
  if (spool(id, interface, path, sizeof path) != 0)
    fail(11, "Cannot keep this DEL in " MARGAY_SPOOL " until the agent is back", strerror(errno));
  /* An agent that started between the failed connect and the write may have looked into the folder too early. */
  int code = exchange();
  if (code == 0) unlink(path);
  return code < 0 ? 0 : code;
}

int main(int argc, char **argv) {
  const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
  const char *name = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "calico";
  const char *command = getenv("CNI_COMMAND");
  if (command == NULL) fail(4, "Cannot tell what to do", "CNI_COMMAND is not set");
  signal(SIGPIPE, SIG_IGN);
  build_request(name);
  if (strcmp(command, "VERSION") == 0) {
    printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[", version_in_use());
    for (size_t i = sizeof versions / sizeof *versions; i-- > 0;) printf("\"%s\"%s", versions[i], i > 0 ? "," : "]}\n");
    return 0;
  }
  int code = exchange();
  if (code < 0 && strcmp(command, "DEL") == 0) code = delete_without_agent();
  if (code < 0 && strcmp(command, "ADD") == 0)
    for (long end = now_ms() + MARGAY_WAIT_MS; code < 0 && now_ms() < end; code = exchange()) usleep(20000);
  if (code < 0 && strcmp(command, "STATUS") == 0)
    fail(50, "Cannot reach the agent of this node (margay agent) on " MARGAY_SOCKET, "pods cannot be added until it runs");
  if (code < 0)
    fail(11, "Cannot reach the agent of this node (margay agent) on " MARGAY_SOCKET, "try again when it runs");
  return code;
}
