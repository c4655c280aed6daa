/*
 * Log lines like Linux's: "[    0.012345] virtio_net: port 0 ...". One line a call, no newline in
 * the format. Never called on the data path.
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include "kernel/compiler.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/**
 * log_line() - print a line if @subsystem's level lets it through
 *
 * Errors and warnings are marked as such behind the subsystem ("pci: error: ..."). With
 * stats=json every error is also printed as {"type":"error",...}.
 */
void log_line(enum log_level level, const char *subsystem, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_err(subsystem, ...) log_line(LOG_ERROR, subsystem, __VA_ARGS__)
#define log_warn(subsystem, ...) log_line(LOG_WARN, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...) log_line(LOG_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...) log_line(LOG_DEBUG, subsystem, __VA_ARGS__)

/** log_enabled() - would log_line() print? To skip the making of long texts */
bool log_enabled(enum log_level level, const char *subsystem);

/**
 * log_set_levels() - apply the option "log": "level" or "subsystem:level,..."
 *
 * Return: 0, or -EINVAL with nothing changed.
 */
int log_set_levels(const char *spec);

/** log_levels_valid() - would log_set_levels() take it? */
bool log_levels_valid(const char *spec);

/** log_set_json() - whether errors are also printed as JSON lines (stats=json) */
void log_set_json(bool on);
bool log_json(void);

#endif
