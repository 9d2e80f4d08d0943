/* The network, and what else sockets reach. */
#include "hostile.h"
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static void raw(void) {
    REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
    REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
    REFUSED(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
    REFUSED(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

static void packet(void) {
    REFUSED(socket(AF_PACKET, SOCK_RAW, htons(3)));
    REFUSED(socket(AF_PACKET, SOCK_DGRAM, htons(3)));
    REFUSED(socket(AF_INET, SOCK_PACKET, htons(3)));
    REFUSED(syscall(SYS_socketpair, AF_PACKET, SOCK_RAW, 0, (int[2]){0}));
}

/* All families there are numbers for, and all kinds of netlink but routes. */
static void families(void) {
    char what[64];
    for (int family = 0; family < 64; family++) {
        if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK)
            continue;
        for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
            snprintf(what, sizeof what, "socket of family %d, type %d", family, type);
            errno = 0;
            refused(what, socket(family, type, 0));
        }
    }
    for (int kind = 1; kind < 32; kind++) {
        snprintf(what, sizeof what, "netlink %d", kind);
        errno = 0;
        refused(what, socket(AF_NETLINK, SOCK_RAW, kind));
    }
    /* With more in the upper half of the argument than the kernel looks at. */
    REFUSED(syscall(SYS_socket, 1ul << 32 | AF_PACKET, SOCK_RAW, 0));
    REFUSED(syscall(SYS_socket, (unsigned long)AF_NETLINK, SOCK_RAW, 1ul << 32 | NETLINK_AUDIT));
    REFUSED(socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP));
}

static void unix_of_host(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = asked("TARGET");
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    HOLDS(fd >= 0 && length > 0 && length < sizeof address.sun_path - 1);
    memcpy(address.sun_path + 1, name, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    REFUSED(connect(fd, (struct sockaddr *)&address, size));
    static const char *const paths[] = {
        "/run/systemd/private", "/run/dbus/system_bus_socket", "/run/systemd/notify",
        "/var/run/docker.sock", "/run/celaut/gateway-broker.sock"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(address.sun_path, sizeof address.sun_path, "%s", paths[i]);
        REFUSED(connect(fd, (struct sockaddr *)&address, sizeof address));
    }
    FILE *table = fopen("/proc/net/unix", "re");
    char line[512];
    while (table && fgets(line, sizeof line, table)) HOLDS(!strstr(line, name));
    if (table) fclose(table);
}

/* Sends one request; the errno of the answer, as a system call would give it. */
static long asked_netlink(struct nlmsghdr *request) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    char answer[4096];
    if (fd < 0) return -1;
    request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    ssize_t got = send(fd, request, request->nlmsg_len, 0);
    if (got > 0) got = recv(fd, answer, sizeof answer, 0);
    close(fd);
    if (got <= 0) return -1;
    struct nlmsghdr *head = (struct nlmsghdr *)answer;
    if (head->nlmsg_type != NLMSG_ERROR) return 0;
    errno = -((struct nlmsgerr *)NLMSG_DATA(head))->error;
    return errno ? -1 : 0;
}

static void netlink(void) {
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
    } down = {.head = {.nlmsg_len = sizeof down, .nlmsg_type = RTM_SETLINK},
              .link = {.ifi_family = AF_UNSPEC, .ifi_index = 1, .ifi_change = IFF_UP}};
    REFUSED(asked_netlink(&down.head));
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg body;
        struct rtattr attribute;
        struct in_addr value;
    } address = {.head = {.nlmsg_len = sizeof address, .nlmsg_type = RTM_NEWADDR,
                          .nlmsg_flags = NLM_F_CREATE},
                 .body = {.ifa_family = AF_INET, .ifa_prefixlen = 8, .ifa_index = 1},
                 .attribute = {.rta_len = RTA_LENGTH(4), .rta_type = IFA_LOCAL},
                 .value = {.s_addr = htonl(0x0A000001)}};
    REFUSED(asked_netlink(&address.head));
    struct {
        struct nlmsghdr head;
        struct rtmsg body;
        struct rtattr attribute;
        int value;
    } route = {.head = {.nlmsg_len = sizeof route, .nlmsg_type = RTM_NEWROUTE,
                        .nlmsg_flags = NLM_F_CREATE},
               .body = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST,
                        .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_LINK},
               .attribute = {.rta_len = RTA_LENGTH(4), .rta_type = RTA_OIF}, .value = 1};
    REFUSED(asked_netlink(&route.head));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo"};
    REFUSED(ioctl(fd, SIOCSIFFLAGS, &request));
    REFUSED(ioctl(fd, SIOCSIFNAME, &request));
    REFUSED(ioctl(fd, SIOCBRADDBR, "br0"));
    REFUSED(setsockopt(fd, SOL_SOCKET, SO_MARK, &(int){1}, sizeof(int)));
    REFUSED(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){1 << 30}, sizeof(int)));
    REFUSED(setsockopt(fd, SOL_IP, IP_TRANSPARENT, &(int){1}, sizeof(int)));
    refused_open("/dev/net/tun", O_RDWR);
}

static void reach_out(void) {
    static const char *const there[] = {
        "10.0.0.1", "192.168.0.1", "169.254.169.254", "8.8.8.8", "172.17.0.1", "224.0.0.1",
        "255.255.255.255"};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
        inet_pton(AF_INET, there[i], &to.sin_addr);
        int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        setsockopt(datagram, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int));
        REFUSED(connect(stream, (struct sockaddr *)&to, sizeof to));
        REFUSED(sendto(datagram, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    }
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
    inet_pton(AF_INET6, "fe80::1", &to.sin6_addr);
    to.sin6_scope_id = 1;
    int stream = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REFUSED(connect(stream, (struct sockaddr *)&to, sizeof to));
    /* A listener of the host, on the address that both sides have. */
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(asked("PORT"))),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int local = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REFUSED(connect(local, (struct sockaddr *)&host, sizeof host));
}

static void credentials(void) {
    int pair[2];
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    struct ucred claims[] = {{1, 0, 0}, {getpid(), 1, 0}, {getpid(), 0, 1000}};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        union {
            char bytes[CMSG_SPACE(sizeof(struct ucred))];
            struct cmsghdr head;
        } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(struct ucred)),
                              .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS}};
        struct iovec part = {"x", 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof control};
        memcpy(CMSG_DATA(&control.head), &claims[i], sizeof claims[i]);
        REFUSED(sendmsg(pair[0], &message, MSG_NOSIGNAL));
    }
}

const struct attack sockets[] = {
    {"raw-sockets", raw}, {"packet-sockets", packet}, {"socket-families", families},
    {"unix-sockets-of-the-host", unix_of_host}, {"netlink", netlink}, {"reach-out", reach_out},
    {"false-credentials", credentials}, {0}};
