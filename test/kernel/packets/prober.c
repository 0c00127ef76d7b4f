/*
 * Sends IP packets as they are from several network namespaces, and tells which of them arrive where.
 *
 *   prober PLACE=NETNS...
 *
 * At the place `node` a packet has arrived when a raw socket gets it, so behind every rule of INPUT; elsewhere when the
 * interface does. A packet is known by what stands 40 bytes behind its IP header: a magic number, and its own in network order.
 *
 *   standard input      PLACE TOS DEVICE HEX    a packet to send; DEVICE `-` leaves the choice to the routes
 *                       GO QUIET_MS             send all, then listen until none of ours has come for so long
 *   standard output     arrived NUMBER PLACE DEVICE TOS   `-` and 0 where a raw socket got it
 *                       refused NUMBER PLACE ERROR    by send(2)
 *                       done
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_PLACES 16
#define MOST_RECEIVERS 64
#define MOST_PACKETS 4096
#define MOST_BYTES 256
#define NUMBER_AT 40
static const uint8_t magic[4] = {'m', 'r', 'g', 'y'};

struct place {
  char name[16];
  int send4, send6;
};

struct receiver {
  int fd, place;
  enum { FRAMES, RAW4, RAW6 } kind;
};

struct packet {
  int place, tos;
  char device[IFNAMSIZ];
  size_t size;
  uint8_t bytes[MOST_BYTES];
};

static struct place places[MOST_PLACES];
static struct receiver receivers[MOST_RECEIVERS];
static struct packet packets[MOST_PACKETS];
static int place_count, receiver_count, packet_count;

static _Noreturn void die(const char *what) {
  fprintf(stderr, "prober: cannot %s: %s\n", what, strerror(errno));
  exit(2);
}

static int open_socket(int family, int type, int protocol) {
  int fd = socket(family, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) die("open a socket");
  return fd;
}

/* --- places --- */

static void listen_by(int family, int type, int protocol) {
  struct receiver *receiver = &receivers[receiver_count++];
  int size = 16 << 20;
  if (receiver_count > MOST_RECEIVERS) die("listen at so many places");
  receiver->fd = open_socket(family, type | SOCK_NONBLOCK, protocol);
  receiver->place = place_count;
  receiver->kind = family == AF_PACKET ? FRAMES : family == AF_INET ? RAW4 : RAW6;
  if (setsockopt(receiver->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) die("enlarge a buffer");
}

static void open_place(const char *name, const char *path) {
  static const int protocols4[] = {1, 4, 6, 17, 47, 132, 136}, protocols6[] = {4, 6, 17, 47, 58, 132, 136};
  struct place *place = &places[place_count];
  int netns = open(path, O_RDONLY | O_CLOEXEC);
  if (place_count == MOST_PLACES || netns < 0 || setns(netns, CLONE_NEWNET) != 0) die(path);
  close(netns);
  snprintf(place->name, sizeof place->name, "%s", name);
  place->send4 = open_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  place->send6 = open_socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
  if (strcmp(name, "node") == 0) {
    for (size_t i = 0; i < sizeof protocols4 / sizeof *protocols4; i++) listen_by(AF_INET, SOCK_RAW, protocols4[i]);
    for (size_t i = 0; i < sizeof protocols6 / sizeof *protocols6; i++) listen_by(AF_INET6, SOCK_RAW, protocols6[i]);
  } else {
    listen_by(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
  }
  place_count++;
}

static int place_named(const char *name) {
  for (int i = 0; i < place_count; i++)
    if (strcmp(places[i].name, name) == 0) return i;
  errno = ENOENT;
  die(name);
}

/* --- receiving --- */

/* Where the IP header of a received packet ends. */
static size_t header_size(const struct receiver *receiver, const uint8_t *bytes) {
  if (receiver->kind == RAW6) return 0;
  if (receiver->kind == RAW4 || bytes[0] >> 4 == 4) return (bytes[0] & 15) * 4u;
  return 40;
}

/* IPv4's type of service, IPv6's traffic class; 0 where a raw socket got it. */
static int type_of_service(const struct receiver *receiver, const uint8_t *bytes) {
  if (receiver->kind != FRAMES) return 0;
  return bytes[0] >> 4 == 4 ? bytes[1] : (bytes[0] & 15) << 4 | bytes[1] >> 4;
}

static int receive(const struct receiver *receiver) {
  uint8_t bytes[2048];
  int ours = 0;
  for (;;) {
    struct sockaddr_ll from = {0};
    socklen_t from_size = sizeof from;
    ssize_t size = recvfrom(receiver->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_size);
    if (size < 0 && errno == EAGAIN) return ours;
    if (size < 0) die("receive");
    if (receiver->kind == FRAMES) {
      uint16_t protocol = ntohs(from.sll_protocol);
      if (from.sll_pkttype == PACKET_OUTGOING || (protocol != ETH_P_IP && protocol != ETH_P_IPV6)) continue;
    }
    size_t at = header_size(receiver, bytes) + NUMBER_AT;
    if ((size_t)size < at + 8 || memcmp(bytes + at, magic, sizeof magic) != 0) continue;
    struct ifreq device = {.ifr_ifindex = from.sll_ifindex, .ifr_name = "-"};
    if (receiver->kind == FRAMES && ioctl(receiver->fd, SIOCGIFNAME, &device) != 0) die("name an interface");
    uint32_t number;
    memcpy(&number, bytes + at + 4, sizeof number);
    const char *place = places[receiver->place].name;
    printf("arrived %u %s %s %d\n", ntohl(number), place, device.ifr_name, type_of_service(receiver, bytes));
    ours++;
  }
}

static void listen_until_quiet(int quiet_ms) {
  struct pollfd ready[MOST_RECEIVERS];
  for (int i = 0; i < receiver_count; i++) ready[i] = (struct pollfd){.fd = receivers[i].fd, .events = POLLIN};
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long end_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000 + quiet_ms;
  for (;;) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    long now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    /* Once more than the clock says: what had come while we did not run counts. */
    int count = poll(ready, (nfds_t)receiver_count, now_ms < end_ms ? (int)(end_ms - now_ms) : 0);
    if (count < 0) die("wait");
    if (count == 0 && now_ms >= end_ms) return;
    int ours = 0;
    for (int i = 0; i < receiver_count; i++)
      if (ready[i].revents != 0) ours += receive(&receivers[i]);
    if (ours == 0 && now_ms >= end_ms) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (ours > 0) end_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000 + quiet_ms;
  }
}

/* --- sending --- */

static int send_packet(const struct packet *packet) {
  const struct place *place = &places[packet->place];
  const char *device = strcmp(packet->device, "-") == 0 ? "" : packet->device;
  int is4 = packet->bytes[0] >> 4 == 4, fd = is4 ? place->send4 : place->send6;
  struct sockaddr_in to4 = {.sin_family = AF_INET};
  struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
  memcpy(&to4.sin_addr, packet->bytes + 16, 4);
  memcpy(&to6.sin6_addr, packet->bytes + 24, 16);
  /* What the routes of the sender's own namespace see, whatever the packet says. */
  if (setsockopt(fd, is4 ? IPPROTO_IP : IPPROTO_IPV6, is4 ? IP_TOS : IPV6_TCLASS, &packet->tos, sizeof packet->tos) != 0) die("set the type of service");
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) != 0) die("choose a device");
  const struct sockaddr *to = is4 ? (const struct sockaddr *)&to4 : (const struct sockaddr *)&to6;
  return sendto(fd, packet->bytes, packet->size, 0, to, is4 ? sizeof to4 : sizeof to6) < 0 ? errno : 0;
}

static void send_all(void) {
  for (struct packet *packet = packets; packet < packets + packet_count; packet++) {
    int error = send_packet(packet);
    if (error == 0) continue;
    uint32_t number;
    size_t at = (packet->bytes[0] >> 4 == 4 ? 20 : 40) + NUMBER_AT + 4;
    memcpy(&number, packet->bytes + at, sizeof number);
    printf("refused %u %s %s\n", ntohl(number), places[packet->place].name, strerrorname_np(error));
  }
  packet_count = 0;
}

static void read_packet(const char *place, const char *tos, const char *device, const char *hex) {
  struct packet *packet = &packets[packet_count++];
  unsigned byte;
  errno = EINVAL;
  if (packet_count > MOST_PACKETS || strlen(hex) / 2 > MOST_BYTES) die("take so much at once");
  packet->place = place_named(place);
  packet->tos = atoi(tos);
  snprintf(packet->device, sizeof packet->device, "%s", device);
  for (packet->size = 0; sscanf(hex + 2 * packet->size, "%2x", &byte) == 1; packet->size++) packet->bytes[packet->size] = (uint8_t)byte;
  if (packet->size < 20 + NUMBER_AT + 8) die("read a packet");
}

int main(int argc, char **argv) {
  static char line[2 * MOST_BYTES + 128], hex[2 * MOST_BYTES + 1];
  for (int i = 1; i < argc; i++) {
    char *path = strchr(argv[i], '=');
    if (path == NULL) die("read the arguments");
    *path++ = 0;
    open_place(argv[i], path);
  }
  while (fgets(line, sizeof line, stdin) != NULL) {
    char place[16], tos[8], device[IFNAMSIZ];
    int quiet_ms;
    if (sscanf(line, "GO %d", &quiet_ms) == 1) {
      send_all();
      listen_until_quiet(quiet_ms);
      puts("done");
      fflush(stdout);
    } else if (sscanf(line, "%15s %7s %15s %512s", place, tos, device, hex) == 4) {
      read_packet(place, tos, device, hex);
    } else {
      errno = EINVAL;
      die(line);
    }
  }
  return 0;
}
