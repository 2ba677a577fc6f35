/* A plugin of QEMU's code generator: how often each block of translated code ran.
 *
 *     qemu-aarch64 -plugin block_counter.so,out=FILE program ...
 *
 * FILE gets one line for each block that ran: its address in hexadecimal, how often it ran, and its instructions
 * as they lie in memory, in hexadecimal, with dots between them. Without FILE at the end, the program did not end by
 * itself. An instruction may be followed by bytes of the next: QEMU up to 7.2 looks ahead at the end of a page of T32
 * code, and takes what it sees there for the instruction's.
 *
 * The declarations follow QEMU's manual ("QEMU TCG Plugins"), so that no header of QEMU's is needed. Build with
 * -DPLUGIN_API=1 for QEMU before 9.0, and =2 from there on. Blocks are counted by a call rather than by QEMU's
 * inline addition: that was replaced in 9.0, while the call is the same in all versions and is exact with threads.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct {
    const char *target_name;
    struct {
        int min;
        int cur;
    } version;
    /* More follows. */
} qemu_info_t;
enum { QEMU_PLUGIN_CB_NO_REGS = 0, CODE_IS_COPIED_FROM = 3 };

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
/* Until version 3 of the interface it takes the first argument only, and returns where the code lies. */
extern uintptr_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *to, size_t size);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                                  void (*call)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*call)(unsigned int, void *),
                                                 int flags, void *data);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t, void *), void *data);

#define PUBLIC __attribute__((visibility("default")))
PUBLIC int qemu_plugin_version = PLUGIN_API;
PUBLIC int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

enum { BUCKETS = 1 << 16, LONGEST_INSTRUCTION = 4 };

typedef struct {
    unsigned char size;
    unsigned char bytes[LONGEST_INSTRUCTION];
} instruction;

typedef struct block {
    struct block *next;
    uint64_t address;
    uint64_t executions;
    size_t instructions;
    instruction code[];
} block;

static block *buckets[BUCKETS];
static const char *output;
static bool code_is_copied;

static block *allocated(size_t instructions)
{
    block *made = calloc(1, sizeof *made + instructions * sizeof made->code[0]);
    if (made == NULL) {
        fputs("block_counter: out of memory\n", stderr);
        abort();
    }
    return made;
}

static void read_instruction(const struct qemu_plugin_insn *from, instruction *to)
{
    unsigned char copied[2 * LONGEST_INSTRUCTION];
    const size_t all = qemu_plugin_insn_size(from);
    const uintptr_t given = qemu_plugin_insn_data(from, copied, all < sizeof copied ? all : sizeof copied);
    to->size = (unsigned char)(all < LONGEST_INSTRUCTION ? all : LONGEST_INSTRUCTION);
    memcpy(to->bytes, code_is_copied ? (const void *)copied : (const void *)given, to->size);
}

static void read_code(const struct qemu_plugin_tb *from, block *to)
{
    to->address = qemu_plugin_tb_vaddr(from);
    to->instructions = qemu_plugin_tb_n_insns(from);
    for (size_t i = 0; i < to->instructions; i++)
        read_instruction(qemu_plugin_tb_get_insn(from, i), &to->code[i]);
}

static void count(unsigned int processor, void *counted)
{
    (void)processor;
    __atomic_fetch_add(&((block *)counted)->executions, 1u, __ATOMIC_RELAXED);
}

/* QEMU calls this with its lock held. It may translate a block again after it threw its translations away. */
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *translation)
{
    (void)id;
    block *fresh = allocated(qemu_plugin_tb_n_insns(translation));
    read_code(translation, fresh);
    block **at = &buckets[(fresh->address >> 2) % BUCKETS];
    while (*at != NULL && ((*at)->address != fresh->address || (*at)->instructions != fresh->instructions ||
                           memcmp((*at)->code, fresh->code, fresh->instructions * sizeof fresh->code[0]) != 0))
        at = &(*at)->next;
    if (*at == NULL)
        *at = fresh;
    else
        free(fresh);
    qemu_plugin_register_vcpu_tb_exec_cb(translation, count, QEMU_PLUGIN_CB_NO_REGS, *at);
}

static void ended(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    FILE *file = fopen(output, "w");
    if (file == NULL) {
        perror(output);
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const block *each = buckets[i]; each != NULL; each = each->next) {
            if (each->executions == 0)
                continue;
            fprintf(file, "%" PRIx64 " %" PRIu64 " ", each->address, each->executions);
            for (size_t number = 0; number < each->instructions; number++) {
                if (number != 0)
                    fputc('.', file);
                for (size_t byte = 0; byte < each->code[number].size; byte++)
                    fprintf(file, "%02x", each->code[number].bytes[byte]);
            }
            fputc('\n', file);
        }
    }
    if (fclose(file) != 0)
        perror(output);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    code_is_copied = info->version.cur >= CODE_IS_COPIED_FROM;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            output = strdup(argv[i] + 4);
    if (output == NULL) {
        fputs("block_counter: no out=FILE\n", stderr);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
