from __future__ import annotations

import hashlib

import torch
from torch import nn

from tests.adapters.networks import perturb, small_network
from visionlora.adapters import attach, fingerprint, merge, merged


def test_a_fingerprint_names_the_base_tensors_whatever_stands_on_them():
    network = small_network()
    plain = fingerprint(network)
    assert len(plain) == 64
    attach(network)
    perturb(network)
    assert fingerprint(network) == plain
    with merged(network):
        assert fingerprint(network) == plain
    assert fingerprint(network.to(memory_format=torch.channels_last)) == plain
    assert fingerprint(merge(network)) != plain


def test_the_adapters_of_a_layer_with_two_names_are_no_part_of_it():
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    network.append(network[0])
    plain = fingerprint(network)
    assert fingerprint(attach(network)) == plain


def test_one_bit_changes_it():
    network = small_network()
    before = fingerprint(network)
    network[1].running_mean[3] = 1e-30
    assert fingerprint(network) != before


def test_step_counters_and_excluded_modules_do_not():
    network = small_network()
    before, without_head = fingerprint(network), fingerprint(network, exclude=["7"])
    network[1].num_batches_tracked += 1
    assert fingerprint(network) == before
    network[7] = nn.Linear(12, 9)
    assert fingerprint(network) != before
    assert fingerprint(network, exclude=["7"]) == without_head


def test_it_is_sha256_over_names_types_shapes_and_bytes():
    network = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -2.0]]))
    expected = hashlib.sha256(b"weight torch.float32 (1, 2)\n" + bytes.fromhex("0000803f000000c0"))
    assert fingerprint(network) == expected.hexdigest()
