/*
 * The ports of a process: port N is the backend at netN.path, whose kind its name tells. All are
 * needed: without one, others would take its number, and with it its options.
 */
#include "drivers/virtio/virtio_bus.h"
#include "drivers/virtio/vhost_kernel.h"
#include "drivers/virtio/vhost_user.h"
#include "drivers/virtio/vhost_vdpa.h"
#include "drivers/virtio/virtio_user.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include "net/netdev.h"

#define CLIENT_WAIT_NS 5000000000ull /* for a backend that starts at the same time as we */
#define PAUSE_MIN_NS 100000000ull    /* after a backend that a server could not use, doubled */
#define PAUSE_MAX_NS 1000000000ull
#define NAME_LEN 16
#define KERNEL_PATH "/dev/vhost-net"
#define VDPA_PATH "/dev/vhost-vdpa-"

static bool is_path(const char *text)
{
	return *text != '\0';
}

static const struct option bus_options[] = {
    {.key = "net.path",
     .kind = OPTION_TEXT,
     .allowed = "the path of a vhost-user socket, /dev/vhost-net or /dev/vhost-vdpa-N",
     .check = is_path,
     .help = "where the port's backend is"},
    {.key = "net.server",
     .kind = OPTION_BOOL,
     .fallback = "0",
     .help = "listen at the path and let the backend connect"},
    {.key = "net.iface",
     .kind = OPTION_TEXT,
     .allowed = "the name of a network interface",
     .help = "the tap of /dev/vhost-net; the kernel names it, unless given"},
    {.key = "net.queue_size",
     .kind = OPTION_UINT,
     .fallback = "256",
     .min = 1,
     .max = VRING_SIZE_MAX,
     .help = "descriptors of each ring"},
    {.key = "net.queues",
     .kind = OPTION_UINT,
     .fallback = "1",
     .min = 1,
     .max = VHOST_PAIRS_MAX,
     .help = "queue pairs of the device"},
    {.key = "net.cq", .kind = OPTION_BOOL, .help = "a control queue (1 with several queue pairs)"},
};

struct user_port {
	unsigned port;
	uint64_t pause_ns;
	struct virtio_user u;
	union {
		struct vhost_user vu;
		struct vhost_kernel vk;
		struct vhost_vdpa vv;
	};
};

static struct user_port *ports[NETDEV_PORTS_MAX];

NORETURN static void give_up(void)
{
	console_flush();
	plat_fail();
}

/* ---- waiting for who connects ------------------------------------------------------------- */

/* Return: 0, or logged, when nobody is at the other end of a socket. */
static int wait_for(const struct user_port *p, uint64_t from_ns)
{
	const struct virtio_user *u = &p->u;
	struct vhost_backend *b = u->backend;
	const bool server = u->vd.awaited;
	int err;

	log_info("virtio_user", "%s: %s %s", u->vd.name,
	         server ? "waiting for a backend at" : "connecting to", b->path);
	console_flush();
	err = b->ops->wait(b, from_ns, server ? UINT64_MAX : from_ns + CLIENT_WAIT_NS);
	if (err == -EINTR) {
		log_info("virtio_user", "%s: asked to end", u->vd.name);
		console_flush();
		plat_poweroff();
	}
	if (err == -EAGAIN)
		log_err("virtio_user",
		        "net%u.path=%s: no backend listens there; start it first, or give "
		        "net%u.server=1 and let it connect",
		        p->port, b->path, p->port);
	else if (err)
		log_err("virtio_user", "net%u.path=%s: %s", p->port, b->path,
		        vhost_link_error(err));
	return err;
}

static int wait_again(struct virtio_user *u)
{
	struct user_port *p = container_of(u, struct user_port, u);

	u->backend->ops->close(u->backend);
	p->pause_ns = min_u64(max_u64(2 * p->pause_ns, PAUSE_MIN_NS), PAUSE_MAX_NS);
	return wait_for(p, plat_time_ns() + p->pause_ns);
}

/* ---- the ports ---------------------------------------------------------------------------- */

/* Pairs beyond the first are switched on by a command. */
static void read_queues(struct virtio_user *u, unsigned port)
{
	u->nb_pairs = (uint16_t)options_port_u64("net.queues", port);
	u->has_ctrl = u->nb_pairs > 1;
	if (!options_given("net.cq", port))
		return;
	if (!options_port_u64("net.cq", port) && u->has_ctrl) {
		log_err("virtio_user",
		        "net%u.cq=0: %u queue pairs need a control queue; leave cq=0 out, or ask "
		        "for one pair",
		        port, u->nb_pairs);
		give_up();
	}
	u->has_ctrl = options_port_u64("net.cq", port);
}

static bool is_kernels(const char *path)
{
	return !strcmp(path, KERNEL_PATH) || !strncmp(path, VDPA_PATH, strlen(VDPA_PATH));
}

/* The backend at @path. Return: 0, or what is wrong. */
static int backend_make(struct user_port *p, unsigned port, const char *path,
                        struct vhost_backend **b)
{
	const bool server = options_port_u64("net.server", port);
	const char *iface = options_port_get("net.iface", port);
	int err;

	if (iface && strcmp(path, KERNEL_PATH) != 0)
		log_warn("virtio_user", "net%u.iface=%s: %s has no interface; ignored", port, iface,
		         path);
	if (!is_kernels(path)) {
		*b = &p->vu.b;
		p->u.vd.awaited = server;
		p->u.wait = wait_again;
		return vhost_user_init(&p->vu, path, server);
	}
	if (server)
		log_warn("virtio_user", "net%u.server=1: %s is no socket; ignored", port, path);
	if (!strcmp(path, KERNEL_PATH)) {
		*b = &p->vk.b;
		err = vhost_kernel_init(&p->vk, path, iface);
		if (err == -EINVAL)
			log_err("virtio_user", "net%u.iface=%s: names have 1 to 15 characters",
			        port, iface);
		return err;
	}
	*b = &p->vv.b;
	vhost_vdpa_init(&p->vv, path);
	return 0;
}

/* Two ports at one backend would be in each other's way. /dev/vhost-net gives each another one. */
static void check_path(unsigned port, const char *path)
{
	for (unsigned i = 0; i < port; i++) {
		if (strcmp(path, ports[i]->u.backend->path) != 0 || !strcmp(path, KERNEL_PATH))
			continue;
		log_err("virtio_user", "net%u.path=%s: net%u has this path; give each its own",
		        port, path, i);
		give_up();
	}
}

static struct user_port *port_make(unsigned port, const char *path)
{
	struct user_port *p = mem_alloc("virtio-user", sizeof(*p), CACHE_LINE);
	struct vhost_backend *b = NULL;
	char name[NAME_LEN];
	int err;

	if (!p) {
		log_err("virtio_user", "net%u: no memory for the device", port);
		give_up();
	}
	p->port = port;
	read_queues(&p->u, port);
	fmt_buf(name, sizeof(name), "user%u", port);
	p->u.queue_size = (uint16_t)options_port_u64("net.queue_size", port);
	if (options_given("net.mtu", port))
		p->u.mtu = (uint16_t)options_port_u64("net.mtu", port);
	err = backend_make(p, port, path, &b);
	if (!err)
		err = virtio_user_init(&p->u, b, name);
	if (err) {
		log_err("virtio_user", "net%u.path=%s: %s", port, path, vhost_link_error(err));
		give_up();
	}
	return p;
}

/* Every socket that we listen at is there before the first backend is waited for. */
static unsigned bus_scan(void)
{
	unsigned n = 0;

	for (unsigned port = 0; port < OPTIONS_PORTS_MAX; port++) {
		const char *path = options_port_get("net.path", port);

		if (!path || (port && path == options_get("net.path")))
			continue;
		if (port != n || n == NETDEV_PORTS_MAX) {
			log_err("virtio_user",
			        "net%u.path=%s: ports have the numbers 0 to %u without a gap", port,
			        path, NETDEV_PORTS_MAX - 1);
			give_up();
		}
		check_path(port, path);
		ports[n++] = port_make(port, path);
	}
	if (!n) {
		log_err("virtio_user",
		        "no port: name its backend's socket, for example net0.path=/run/vhost0");
		give_up();
	}
	return n;
}

/* The kernel's are there or they are not, which open says. */
static int open_now(unsigned port, struct virtio_user *u)
{
	const int err = u->vd.ops->open(&u->vd);

	if (err == -EAGAIN)
		log_err("virtio_user",
		        "net%u.path=%s: not to be had: is the module vhost_net or vhost_vdpa "
		        "loaded, and may this process use what is named above?",
		        port, u->backend->path);
	return err;
}

static struct virtio_dev *bus_probe(unsigned port)
{
	struct virtio_user *u = &ports[port]->u;
	const int err =
	    u->backend->ops->wait ? wait_for(ports[port], plat_time_ns()) : open_now(port, u);

	return err ? NULL : &u->vd;
}

static void bus_release(struct virtio_dev *vd)
{
	(void)vd; /* the process ends */
}

const struct virtio_bus virtio_bus = {
    .options = bus_options,
    .nb_options = ARRAY_SIZE(bus_options),
    .all_needed = true,
    .scan = bus_scan,
    .probe = bus_probe,
    .release = bus_release,
};
