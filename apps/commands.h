/* The console's commands that concern the kernel as a whole. */
#ifndef APPS_COMMANDS_H
#define APPS_COMMANDS_H

#include "kernel/compiler.h"

struct net_stack;
struct netdev;

/** commands_init() - make the commands known; @st is what "show" shows */
void commands_init(const struct net_stack *st);

/** each_port() - call @fn with the ports that @word names, all or a number. False: it names none,
 * which is printed with @command */
bool each_port(const char *command, const char *word, void (*fn)(struct netdev *dev));

/** port_commands_init() - those that stop and start ports, and about what they receive */
void port_commands_init(void);

/** rss_commands_init() - those about receive-side scaling */
void rss_commands_init(void);

/** coal_commands_init() - those about when devices notify */
void coal_commands_init(void);

/** xstats_commands_init() - that for all counters */
void xstats_commands_init(void);

#endif
