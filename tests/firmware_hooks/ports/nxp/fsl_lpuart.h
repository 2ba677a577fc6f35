/* As much of NXP's SDK as ports/template.c uses, declared as NXP declares it (fsl_lpuart.h, fsl_common.h). */
#include <stddef.h>
#include <stdint.h>

typedef int32_t status_t;
typedef enum { LPUART1_IRQn = 20 } IRQn_Type;
typedef struct {
    volatile uint32_t STAT;
} LPUART_Type;

enum _lpuart_flags { kLPUART_RxDataRegFullFlag = 1 << 21, kLPUART_RxOverrunFlag = 1 << 19 };
enum _lpuart_interrupt_enable {
    kLPUART_RxDataRegFullInterruptEnable = 1 << 21,
    kLPUART_RxOverrunInterruptEnable = 1 << 27
};

#define SDK_ISR_EXIT_BARRIER __asm__ volatile("dsb 0xF" ::: "memory")

uint32_t LPUART_GetStatusFlags(LPUART_Type *base);
status_t LPUART_ClearStatusFlags(LPUART_Type *base, uint32_t mask);
uint8_t LPUART_ReadByte(LPUART_Type *base);
status_t LPUART_WriteBlocking(LPUART_Type *base, const uint8_t *data, size_t length);
status_t LPUART_SetBaudRate(LPUART_Type *base, uint32_t baudRate_Bps, uint32_t srcClock_Hz);
void LPUART_EnableInterrupts(LPUART_Type *base, uint32_t mask);
status_t EnableIRQ(IRQn_Type interrupt);
