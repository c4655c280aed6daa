# vhost-switch: the device model of the tests behind vhost-user sockets, plain and with ASan and UBSan.

VSWITCH_SRCS := $(wildcard tools/vswitch/*.c tests/model/*.c arch/hosted/unix_*.c)
VSWITCH_CFLAGS := $(CFLAGS_COMMON) -Iarch/x86_64/include

$(BUILD)/tools/vswitch/obj/%.o: %.c Makefile tools/vswitch/build.mk
	@mkdir -p $(@D)
	$(CC) $(VSWITCH_CFLAGS) -c -o $@ $<

$(BUILD)/tools/vhost-switch: $(VSWITCH_SRCS:%.c=$(BUILD)/tools/vswitch/obj/%.o)
	$(CC) -static -o $@ $^

$(BUILD)/tools/vswitch/asan/obj/%.o: %.c Makefile tools/vswitch/build.mk
	@mkdir -p $(@D)
	$(CC) $(VSWITCH_CFLAGS) $(HOSTED_SAN) -c -o $@ $<

$(BUILD)/tools/vhost-switch-asan: $(VSWITCH_SRCS:%.c=$(BUILD)/tools/vswitch/asan/obj/%.o)
	$(CC) $(HOSTED_SAN) -o $@ $^

-include $(shell find $(BUILD)/tools/vswitch -name '*.d' 2>/dev/null)

.PHONY: vhost-switch
vhost-switch: $(BUILD)/tools/vhost-switch ## a vhost-user switch for guests and hosted processes
