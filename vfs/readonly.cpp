// readonly: nobody changes anything in the share (vfs_readonly(8), without readonly:period).
#include "vfs/modules.h"

namespace Atoll::vfs {

namespace {

class Readonly final : public Module {
 public:
    using Module::Module;

    bool read_only() const override { return true; }
    Result<Space, int> space(const File& file) override {
        auto out = next().space(file);
        if (out) out->read_only = true;
        return out;
    }
};

}  // namespace

std::unique_ptr<Vfs> make_readonly(std::unique_ptr<Vfs> next) { return std::make_unique<Readonly>(std::move(next)); }

}  // namespace Atoll::vfs
