/* A TCP port. */
#ifndef TCP_H
#define TCP_H

/* Listens at [ADDRESS:]PORT, of 127.0.0.1 unless an address is given, and prints where; ends the program where that
 * cannot be. */
int tcp_listen(const char *place, int most_waiting);

/* The next connection, -1 for none. */
int tcp_accept(int listener);

#endif
