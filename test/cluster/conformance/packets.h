/* Packets that the kernel has no sockets for: SCTP INIT and INIT ACK (RFC 9260), ICMP echo requests (RFC 792). */
#pragma once
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* CRC32c, least significant byte first in the packet (RFC 9260 section 6.8, appendix A). */
static uint32_t crc32c(const uint8_t *bytes, size_t length) {
  uint32_t crc = ~0u;
  while (length--) {
    crc ^= *bytes++;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

struct sctp_init {
  uint16_t source, destination;
  uint32_t tag, checksum;
  uint8_t type, flags;
  uint16_t length;
  uint32_t initiate_tag, window;
  uint16_t outbound, inbound;
  uint32_t sequence;
  /* Of the acknowledgement alone: a state cookie. */
  uint16_t cookie_type, cookie_length;
  uint32_t cookie;
} __attribute__((packed));

struct sctp_ports {
  uint16_t source, destination;
};

/* Fills an INIT, or its acknowledgement with the tag that it goes to, and gives its length. */
static size_t fill_sctp(struct sctp_init *packet, struct sctp_ports ports, uint32_t tag, int is_answer) {
  size_t length = sizeof *packet - (is_answer ? 0 : 8);
  *packet = (struct sctp_init){
      .source = ports.source, .destination = ports.destination, .tag = tag, .type = is_answer ? 2 : 1,
      .length = htons(length - 12), .initiate_tag = htonl(0x10000u + ntohs(ports.source)), .window = htonl(65536),
      .outbound = htons(1), .inbound = htons(1), .sequence = htonl(1),
      .cookie_type = htons(7), .cookie_length = htons(8), .cookie = htonl(1)};
  packet->checksum = htole32(crc32c((uint8_t *)packet, length));
  return length;
}

static uint16_t internet_checksum(const void *data, size_t length) {
  uint32_t sum = 0;
  for (size_t index = 0; index + 1 < length; index += 2) {
    uint16_t word;
    memcpy(&word, (const uint8_t *)data + index, sizeof word);
    sum += word;
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

/* An echo request of this identifier, without data. */
static struct icmphdr echo_request(uint16_t identifier) {
  struct icmphdr packet = {.type = ICMP_ECHO};
  packet.un.echo.id = htons(identifier);
  packet.checksum = internet_checksum(&packet, sizeof packet);
  return packet;
}
