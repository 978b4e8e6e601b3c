"""How one adapted layer is computed fast: functions of tensors."""
