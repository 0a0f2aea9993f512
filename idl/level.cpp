#include "idl/level.h"

#include <atomic>

namespace Atoll::idl {
namespace {

Shared<uint32_t> own_level{first_level};
std::atomic<const Shared<uint32_t>*> followed = &own_level;

}  // namespace

Level written_level() { return followed.load(std::memory_order_acquire)->value(); }

void set_written_level(Level level) {
    own_level = level;
    followed.store(&own_level, std::memory_order_release);
}

void follow_written_level(const Shared<uint32_t>& level) { followed.store(&level, std::memory_order_release); }

}  // namespace Atoll::idl
