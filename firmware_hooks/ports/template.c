/* The agent on your board: copy this file into your firmware, and fill in what is marked CHANGE.
 *
 * As it stands it uses the UART functions of ST's HAL (define FAN_PORT_STM32_HAL) or of NXP's SDK (define
 * FAN_PORT_NXP_LPUART) on a Cortex-M core. For another UART write the functions between the first two rulers anew; the
 * rest stays. What it needs beside your firmware, `python -m targets agent --target cortex-m7 --sources DIR` puts into
 * one folder: link libfan.a and all sources there.
 *
 * Call fan_port_run() at the end of main(), once clocks, pins and the UART are set up for 115200 baud, 8N1, without flow
 * control. It doesn't return. Stack: 10 KiB.
 *
 * What a host needs to know of the board when it is dead is the text on the UART: have your fault handlers print a line
 * that begins with FAULT, as ports/cmsdk/startup.c does.
 */
#include "fan_agent.h"

#include <stddef.h>
#include <stdint.h>

/* CHANGE: its name, as the host shows it. */
#define BOARD_NAME "my board"
/* CHANGE: what the core has; a library that needs more is refused rather than run. M4F, M33: FAN_FEATURE_THUMB_FPU. M7
 * with a double-precision FPU: FAN_FEATURE_THUMB_FPU_DOUBLE as well. M55, M85: those and FAN_FEATURE_MVE_FLOAT. */
#define CORE_FEATURES FAN_FEATURE_THUMB_FPU
/* CHANGE: memory for a tile's input and output (4 bytes a pixel each) and the arena (manifest.json,
 * "arena_bytes_of_width"), such as an external SDRAM: a tile of 128 x 128 needs about 800 KB. Memory that keeps floats
 * waiting keeps the network waiting. */
#define MEMORY_BYTES (1024u * 1024u)
#define MEMORY_PLACE /* __attribute__((section(".sdram"))) */

#define RING_BYTES 8192u /* a power of two; the host sends no more before it has an answer */
#define START_BAUD 115200u

static uint8_t memory[MEMORY_BYTES] MEMORY_PLACE __attribute__((aligned(FAN_ARENA_ALIGNMENT)));

/* Written by the interrupt alone, taken by the program alone. Both count on beyond the ring's size. */
static uint8_t ring[RING_BYTES];
static volatile uint32_t written;
static volatile uint32_t taken;

void fan_port_run(void);

/* A byte that finds no room is lost, which the link notices and repairs. */
static void receive(uint8_t byte)
{
    if (written - taken != RING_BYTES) {
        ring[written % RING_BYTES] = byte;
        ++written;
    }
}

/* ---- The UART: receive by interrupt, send and wait, change the rate ------------------------------------------------ */

#if defined(FAN_PORT_STM32_HAL)

#include "main.h" /* CubeMX: includes stm32xxxx_hal.h */

extern UART_HandleTypeDef huart1; /* CHANGE: as CubeMX calls it; enable its global interrupt there */
#define UART (&huart1)

static uint8_t received;
static volatile uint8_t receiving;

static void uart_listen(void) { receiving = HAL_UART_Receive_IT(UART, &received, 1u) == HAL_OK; }

void HAL_UART_RxCpltCallback(UART_HandleTypeDef *uart)
{
    if (uart == UART) {
        receive(received);
        /* Some versions of the HAL refuse this while HAL_UART_Transmit is at work: then uart_poll does it. */
        uart_listen();
    }
}

/* After an overrun, the HAL has stopped receiving. */
void HAL_UART_ErrorCallback(UART_HandleTypeDef *uart)
{
    if (uart == UART) {
        uart_listen();
    }
}

static void uart_poll(void)
{
    if (receiving == 0u) {
        uart_listen();
    }
}

static void uart_start(void) { uart_listen(); }

static void uart_write(const uint8_t *bytes, size_t count)
{
    while (count > 0u) {
        const uint16_t part = count < 256u ? (uint16_t)count : 256u;
        (void)HAL_UART_Transmit(UART, bytes, part, HAL_MAX_DELAY); /* older versions: cast away the const */
        bytes += part;
        count -= part;
        uart_poll();
    }
}

/* CHANGE: what the UART's clock allows; a sixteenth of it is the most. */
static int uart_can_baud(uint32_t baud) { return baud >= 9600u && baud <= 2000000u; }

static void uart_set_baud(uint32_t baud)
{
    (void)HAL_UART_AbortReceive(UART);
    UART->Init.BaudRate = baud;
    (void)HAL_UART_Init(UART);
    uart_listen();
}

#elif defined(FAN_PORT_NXP_LPUART)

#include "board.h" /* MCUXpresso: BOARD_DEBUG_UART_... ; don't print with PRINTF on the same UART afterwards */
#include "fsl_lpuart.h"

/* CHANGE: the UART, its clock in Hz, its interrupt, and the name of its handler in the vector table. */
#define UART ((LPUART_Type *)BOARD_DEBUG_UART_BASEADDR)
#define UART_CLOCK_HZ BOARD_DEBUG_UART_CLK_FREQ
#define UART_INTERRUPT LPUART1_IRQn
#define UART_HANDLER LPUART1_IRQHandler

void UART_HANDLER(void);

void UART_HANDLER(void)
{
    if ((LPUART_GetStatusFlags(UART) & (uint32_t)kLPUART_RxOverrunFlag) != 0u) {
        (void)LPUART_ClearStatusFlags(UART, (uint32_t)kLPUART_RxOverrunFlag);
    }
    while ((LPUART_GetStatusFlags(UART) & (uint32_t)kLPUART_RxDataRegFullFlag) != 0u) {
        receive(LPUART_ReadByte(UART));
    }
    SDK_ISR_EXIT_BARRIER;
}

static void uart_poll(void) {}

static void uart_start(void)
{
    LPUART_EnableInterrupts(UART, (uint32_t)kLPUART_RxDataRegFullInterruptEnable |
                                      (uint32_t)kLPUART_RxOverrunInterruptEnable);
    (void)EnableIRQ(UART_INTERRUPT);
}

static void uart_write(const uint8_t *bytes, size_t count) { (void)LPUART_WriteBlocking(UART, bytes, count); }

/* CHANGE: what the UART's clock allows. */
static int uart_can_baud(uint32_t baud) { return baud >= 9600u && baud <= 3000000u; }

/* LPUART_WriteBlocking has waited for the last bit already. */
static void uart_set_baud(uint32_t baud) { (void)LPUART_SetBaudRate(UART, baud, UART_CLOCK_HZ); }

#else
#error "define FAN_PORT_STM32_HAL or FAN_PORT_NXP_LPUART, or write these functions for your UART"
#endif

/* ---- The clock: cycles of the core, counted by its debug unit (Armv7-M ARM, C1.8) ----------------------------------- */

extern uint32_t SystemCoreClock; /* CMSIS: Hz */

#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DEMCR_TRACE_ENABLE (1u << 24)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)
#define DWT_UNLOCKED 0xC5ACCE55u /* needed by many Cortex-M7, ignored elsewhere */

static void clock_start(void)
{
    DEMCR |= DEMCR_TRACE_ENABLE;
    DWT_LAR = DWT_UNLOCKED;
    DWT_CYCCNT = 0u;
    DWT_CTRL |= 1u;
}

/* The agent asks far more often than the counter wraps, which it does after some seconds. */
static uint64_t now_ticks(void)
{
    static uint64_t ticks;
    ticks += (uint32_t)(DWT_CYCCNT - (uint32_t)ticks);
    return ticks;
}

/* ---- The agent ------------------------------------------------------------------------------------------------------ */

/* Lives through a reset, so that the host sees that there was one. Start-up code must not clear it. */
__attribute__((section(".noinit"))) static uint32_t boots;

static fan_agent agent;
static fan_agent_link cable;

static void write_link(void *context, const uint8_t *bytes, size_t count)
{
    (void)context;
    uart_write(bytes, count);
}

static int can_baud(void *context, uint32_t baud)
{
    (void)context;
    return uart_can_baud(baud);
}

static void set_baud(void *context, uint32_t baud)
{
    (void)context;
    uart_set_baud(baud);
}

void fan_port_run(void)
{
    clock_start();
    uart_start();
    ++boots;
    const fan_agent_port port = {
        .board = BOARD_NAME,
        .boot_id = boots,
        .tick_hz = SystemCoreClock,
        .core_features = CORE_FEATURES,
        .window_bytes = RING_BYTES,
        .start_baud = START_BAUD,
        .now_ticks = now_ticks,
        .write = write_link,
        .can_baud = can_baud,
        .set_baud = set_baud,
    };
    fan_agent_init(&agent, &port, &fan_bundle, memory, sizeof memory);
    fan_agent_link_init(&agent, &cable, NULL);
    for (;;) {
        /* It doesn't sleep where there is nothing to do, since the cycle counter might. */
        while (taken != written) {
            const uint8_t byte = ring[taken % RING_BYTES];
            ++taken;
            fan_agent_receive(&agent, &cable, &byte, 1u);
        }
        uart_poll();
        fan_agent_link_poll(&agent, &cable);
        (void)fan_agent_poll(&agent);
    }
}
