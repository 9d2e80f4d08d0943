// The addresses of a host name, as this machine's resolver knows them.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The first `max` IPv4 addresses, in host order: their number, or 0 where the resolver gives none.
// May wait for as long as the resolver does, which is seconds.
size_t celaut_lookup_ipv4(const char *name, uint32_t *addresses, size_t max);
