#define _GNU_SOURCE
#include "CShim.h"
#include "CSandbox.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

int celaut_mount_private(void) { return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL); }

int celaut_mount_propagation_slave(void) { return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL); }

int celaut_detach(const char *path) { return umount2(path, MNT_DETACH); }

int celaut_seccomp(const void *filter, uint16_t entries) {
    struct sock_fprog program = {.len = entries, .filter = (struct sock_filter *)filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int celaut_loopback_up(void) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int done = ioctl(fd, SIOCSIFFLAGS, &request);
    int code = errno;
    close(fd);
    errno = code;
    return done;
}

int celaut_loopback_add(uint32_t address, uint32_t mask) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, "lo:1", 5);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    memcpy(&request.ifr_addr, &name, sizeof name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int done = ioctl(fd, SIOCSIFADDR, &request);
    if (done == 0) {
        name.sin_addr.s_addr = htonl(mask);
        memcpy(&request.ifr_netmask, &name, sizeof name);
        done = ioctl(fd, SIOCSIFNETMASK, &request);
    }
    int code = errno;
    close(fd);
    errno = code;
    return done;
}

void celaut_default_signals(void) {
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction handled = {.sa_handler = SIG_DFL};
        sigaction(signal, &handled, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int celaut_make_node(int at, const char *name, unsigned major, unsigned minor) {
    return mknodat(at, name, S_IFCHR | 0666, makedev(major, minor));
}
