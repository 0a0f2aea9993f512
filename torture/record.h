// The records of a numbered log, of which each says which one it is: for programs that write one while servers end, and look afterwards
// whether any is lost, changed or there twice. guest_failover_test.py reads them on the server's disk.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace Atoll::torture {

struct Record {
    uint64_t number = 0;
    uint64_t check = 0;
    char text[112] = {};

    static Record of(uint64_t number) {
        Record r;
        r.number = number;
        r.check = ~number * 0x9E3779B97F4A7C15u;
        std::snprintf(r.text, sizeof r.text, "record %llu", static_cast<unsigned long long>(number));
        return r;
    }
    [[nodiscard]] bool is(uint64_t wanted) const {
        const Record right = of(wanted);
        return number == right.number && check == right.check && std::memcmp(text, right.text, sizeof text) == 0;
    }
};

}  // namespace Atoll::torture
