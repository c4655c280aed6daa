/*
 * One packet through a ring, driver and device on a machine that keeps no order of its own: each
 * side's stores wait in a buffer and reach memory one by one in any order, and a load may be done
 * before the one that stands in front of it. What remains are the pairs A, U, K and N of
 * kernel/atomic.h. Each can be taken out, on our side, by -DNO_A, ...; then SPIN finds the packet
 * that is lost or not whole. run.sh looks that it does, and that with all of them nothing is found.
 *
 * A lost packet is a state in which the device sleeps for ever: an invalid end.
 */

bit desc, avail, wish, used_elem, used; /* memory */
bit notified;                           /* the register: not buffered */

/* stores under way */
bit p_desc, p_avail;           /* ours */
bit p_wish, p_elem, p_used;    /* the device's */

active proctype memory()
{
end:	do
	:: atomic { p_desc -> desc = 1; p_desc = 0 }
	:: atomic { p_avail -> avail = 1; p_avail = 0 }
	:: atomic { p_wish -> wish = 1; p_wish = 0 }
	:: atomic { p_elem -> used_elem = 1; p_elem = 0 }
	:: atomic { p_used -> used = 1; p_used = 0 }
	od
}

active proctype driver()
{
	bit kick, elem;

	p_desc = 1;
#ifndef NO_A
	(!p_desc);			/* release */
#endif
	p_avail = 1;
#ifdef ALWAYS_KICK
	kick = 1;
#else
#ifndef NO_K
	(!p_desc && !p_avail);		/* full fence */
#endif
	kick = wish;
#endif
	if
	:: kick ->
#ifndef NO_N
		(!p_desc && !p_avail);	/* io_wmb() */
#endif
		notified = 1
	:: else
	fi;

#ifdef NO_U
	if				/* the later load first, or not */
	:: elem = used_elem; (used)
	:: (used); elem = used_elem
	fi;
#else
	(used);				/* acquire */
	elem = used_elem;
#endif
	assert(elem)
}

active proctype device()
{
	bit there;

#ifdef ALWAYS_KICK
	(notified);
	there = avail;
#else
	there = avail;
	if
	:: there
	:: else ->
		p_wish = 1;
		(!p_wish);		/* full fence */
		there = avail;
		if
		:: there
		:: else -> (notified); there = avail
		fi
	fi;
#endif
	(there);			/* else it sleeps, and nobody wakes it */
	assert(desc);			/* acquire */
	p_elem = 1;
	(!p_elem);			/* release */
	p_used = 1
}
