#include "torture/control.h"

namespace Atoll::torture {

Answer control(client::File& file, smb::ControlCode code, Bytes input, uint32_t room) {
    smb::IoctlRequest request;
    request.ctl_code = code;
    request.file_id = file.id();
    request.input = input;
    request.max_output_response = room;
    request.flags = smb::ioctl_flags::is_fsctl;
    auto exchange = file.tree().start(smb::Command::ioctl, request);
    Answer answer;
    answer.status = file.tree().connection().wait(exchange);
    if (const auto response = smb::IoctlResponse::decode(exchange->message()); response.ok()) answer.output.assign(response->output);
    return answer;
}

}  // namespace Atoll::torture
