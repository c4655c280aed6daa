/*
 * The output half of the console: a ring of bytes between writers and the transmitter. At first
 * writers wait until all is out. While the machine boots (console_hold()) they wait only for room,
 * as the boot must not be as slow as its own log; what is urgent goes out at once with all before
 * it. Once console_live() was called nobody waits, and lines that find no room are counted instead;
 * but for commands, which a person typed, and whose output may be longer than the ring.
 */
#include "kernel/console.h"
#include "kernel/console_internal.h"
#include "kernel/fmt.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include <arch/cpu.h>

#define PRINTF_MAX 1024
#define NOTE_MAX 64
#define PIECE_MAX (CONSOLE_RING / 4) /* of a long text that is waited for */
#define INPUT_EVERY 64               /* calls of console_poll() between two looks for input */
#define POLL_WRITES 4                /* hand-overs to the transmitter in one console_poll() */
#define STALL_NS UINT64_C(1000000000)
#define STALL_TRIES 4000000 /* ends the wait also where the clock does not run yet */
static_assert((CONSOLE_RING & (CONSOLE_RING - 1)) == 0, "positions are masked");

static struct {
	char ring[CONSOLE_RING];
	uint32_t head_idx, tail_idx; /* free-running: queued by writers, taken by the transmitter */
	uint32_t polls;
	uint64_t lost_lines;
	bool held; /* text may stay in the ring while there is room */
	bool live;
	bool patient;  /* a command runs: wait for room even so */
	bool stalled;  /* the transmitter took nothing for STALL_NS: wait no more for it */
	bool mid_line; /* the last byte queued was no newline */
	bool echo;     /* the last line ends with text that is being typed */
} con;

/* ---- the ring ----------------------------------------------------------------------------- */

static size_t ring_room(void)
{
	return CONSOLE_RING - (con.head_idx - con.tail_idx);
}

/* Bytes that a text takes in the ring, where newlines have a carriage return. */
static size_t ring_need(const char *text, size_t len)
{
	size_t need = len;

	for (size_t i = 0; i < len; i++)
		need += text[i] == '\n';
	return need;
}

static void ring_put(const char *text, size_t len)
{
	uint32_t idx = con.head_idx;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			con.ring[idx++ % CONSOLE_RING] = '\r';
		con.ring[idx++ % CONSOLE_RING] = text[i];
	}
	con.head_idx = idx;
	if (len)
		con.mid_line = text[len - 1] != '\n';
}

/* One hand-over to the transmitter; false when it took nothing. */
static bool ring_drain(void)
{
	const uint32_t pos = con.tail_idx % CONSOLE_RING;
	const uint32_t queued = con.head_idx - con.tail_idx;
	const size_t chunk = min_u64(queued, CONSOLE_RING - pos);
	const size_t taken = chunk ? plat_console_write(con.ring + pos, chunk) : 0;

	con.tail_idx += (uint32_t)taken;
	if (taken)
		con.stalled = false;
	return taken > 0;
}

static bool wait_for_room(size_t room)
{
	uint64_t since_ns = plat_time_ns();
	unsigned tries = 0;

	while (ring_room() < room) {
		if (ring_drain()) {
			since_ns = plat_time_ns();
			tries = 0;
			continue;
		}
		if (con.stalled || ++tries == STALL_TRIES || plat_time_ns() - since_ns > STALL_NS) {
			con.stalled = true;
			return false;
		}
		cpu_pause();
	}
	return true;
}

/* ---- writers ------------------------------------------------------------------------------ */

static void count_lost(const char *text, size_t len)
{
	uint64_t lines = ring_need(text, len) - len;

	con.lost_lines += lines ? lines : 1;
}

static void write_waiting(const char *text, size_t len)
{
	while (len) {
		const size_t n = min_u64(len, PIECE_MAX);

		if (!wait_for_room(ring_need(text, n))) {
			count_lost(text, len);
			return;
		}
		ring_put(text, n);
		text += n;
		len -= n;
	}
	if (!con.held)
		wait_for_room(CONSOLE_RING);
}

/* Says how many lines are missing, in front of the first that is there again. */
static void put_lost_note(size_t room_behind)
{
	char note[NOTE_MAX];
	const size_t len = fmt_buf(note, sizeof(note), "%sconsole: %llu lines lost\n",
	                           con.mid_line ? "\n" : "", (unsigned long long)con.lost_lines);

	if (ring_room() < ring_need(note, len) + room_behind)
		return;
	ring_put(note, len);
	con.lost_lines = 0;
	con.echo = false;
}

/* All of @text or nothing. */
static bool put_whole(const char *text, size_t len)
{
	const size_t need = ring_need(text, len);

	if (unlikely(con.lost_lines))
		put_lost_note(need);
	if (con.lost_lines || need > ring_room())
		return false;
	ring_put(text, len);
	return true;
}

void console_write(const char *text, size_t len)
{
	if (!len)
		return;
	if (con.echo && put_whole("\n", 1))
		con.echo = false;

	if (!con.live) {
		write_waiting(text, len);
		return;
	}
	if (unlikely(con.patient))
		wait_for_room(min_u64(ring_need(text, len) + NOTE_MAX, CONSOLE_RING));
	if (!put_whole(text, len))
		count_lost(text, len);
}

void console_printf(const char *fmt, ...)
{
	char text[PRINTF_MAX];
	va_list ap;

	va_start(ap, fmt);
	const size_t len = fmt_vbuf(text, sizeof(text), fmt, ap);

	va_end(ap);
	console_write(text, min_u64(len, sizeof(text) - 1));
}

void console_echo(const char *text, size_t len)
{
	if (!con.echo && con.mid_line)
		put_whole("\n", 1);
	if (put_whole(text, len))
		con.echo = true;
}

void console_echo_end(void)
{
	con.echo = false;
	con.mid_line = false;
}

bool console_echo_broken(void)
{
	return !con.echo && !con.mid_line;
}

/* ---- draining ----------------------------------------------------------------------------- */

void console_hold(void)
{
	con.held = true;
}

void console_urgent(void)
{
	if (!con.live)
		console_flush();
}

void console_patient(bool on)
{
	con.patient = on;
}

void console_live(void)
{
	con.live = true;
}

void console_flush(void)
{
	wait_for_room(CONSOLE_RING);
}

static void poll_output(void)
{
	for (unsigned i = 0; i < POLL_WRITES && con.head_idx != con.tail_idx; i++) {
		if (!ring_drain())
			break;
	}

	/* not before half of the ring is free, or notes would crowd out lines */
	if (unlikely(con.lost_lines) && ring_room() >= CONSOLE_RING / 2)
		put_lost_note(0);
}

bool console_waits(void)
{
	return con.head_idx != con.tail_idx;
}

void console_look(void)
{
	con.polls = INPUT_EVERY - 1;
}

void console_poll(void)
{
	if (con.head_idx != con.tail_idx || con.lost_lines)
		poll_output();
	if (++con.polls % INPUT_EVERY == 0)
		console_input_poll();
}
