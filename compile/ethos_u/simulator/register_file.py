"""The registers as the commands so far have left them, and how bit fields are taken out of them."""

from __future__ import annotations

from compile.ethos_u.simulator.command_stream import Register, SetRegister
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError

ADDRESS_BITS = 40


class RegisterFile:
    """Values of the registers that were set; reading any other is an error, not a zero."""

    def __init__(self) -> None:
        self._values: dict[Register, tuple[int, int]] = {}

    def set(self, command: SetRegister) -> None:
        self._values[command.register] = (command.parameter, command.payload)

    def parameter(self, register: Register) -> int:
        """The 16 bits of a register without second word; of one with it, the upper bits."""
        return self._read(register)[0]

    def payload(self, register: Register) -> int:
        """The 32 bits of a register's second word."""
        return self._read(register)[1]

    def plus_one(self, register: Register) -> int:
        """A length that is stored less one."""
        return self.parameter(register) + 1

    def address(self, register: Register) -> int:
        """An address or length of 40 bits, of which the parameter has the upper ones."""
        high, low = self._read(register)
        if high >> ADDRESS_BITS - 32:
            raise UnmodelledError(f"{register.name}: an address of more than {ADDRESS_BITS} bits")
        return high << 32 | low

    def stride(self, register: Register) -> int:
        """A distance in bytes; negative where the feature map is written backwards."""
        return signed(self.address(register), ADDRESS_BITS)

    def fields(self, register: Register, **widths: int) -> dict[str, int]:
        """Bit fields of the parameter, from bit 0 up; names with a leading underscore are bits that must be 0."""
        value = self.parameter(register)
        found = {}
        for name, width in widths.items():
            found[name] = value & (1 << width) - 1
            value >>= width
            if name.startswith("_") and found.pop(name):
                raise UnmodelledError(f"reserved bits of {register.name} = {self.parameter(register):#06x}")
        if value:
            raise UnmodelledError(f"reserved bits of {register.name} = {self.parameter(register):#06x}")
        return found

    def _read(self, register: Register) -> tuple[int, int]:
        if register not in self._values:
            raise SimulationError(f"{register.name} is used before anything sets it")
        return self._values[register]


def signed(value: int, bits: int) -> int:
    """Two's complement of that many bits."""
    return value - (1 << bits) if value >> (bits - 1) & 1 else value
