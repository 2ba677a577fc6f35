"""Networks for Arm's Ethos-U NPUs: TVM Relax to integers, to TOSA, to the command stream that Vela makes of it."""
