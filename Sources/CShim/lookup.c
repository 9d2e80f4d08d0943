// getaddrinfo gives a list that only it can free.
#include "CLookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

size_t celaut_lookup_ipv4(const char *name, uint32_t *addresses, size_t max) {
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    struct addrinfo *found = NULL;
    if (getaddrinfo(name, NULL, &hints, &found) != 0) return 0;
    size_t count = 0;
    for (struct addrinfo *one = found; one != NULL && count < max; one = one->ai_next) {
        if (one->ai_family != AF_INET || one->ai_addrlen < sizeof(struct sockaddr_in)) continue;
        struct sockaddr_in address;
        memcpy(&address, one->ai_addr, sizeof address);
        addresses[count++] = ntohl(address.sin_addr.s_addr);
    }
    freeaddrinfo(found);
    return count;
}
