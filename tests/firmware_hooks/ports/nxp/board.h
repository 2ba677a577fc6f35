/* As much of an MCUXpresso board's header as ports/template.c uses. */
#define BOARD_DEBUG_UART_BASEADDR 0x4007C000u
#define BOARD_DEBUG_UART_CLK_FREQ 24000000u
