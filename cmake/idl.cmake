# atoll_idl(VAR file.idl ...): compiles a room's .idl files with idlc. Call it in the room's CMakeLists.txt before atoll_room():
#
#   atoll_idl(XSRV xsrv.idl)
#   atoll_room(smbd/xsrv SOURCES session.cpp ${XSRV_SOURCES} GENERATED ${XSRV_HEADERS} DEPENDS ${XSRV_TARGET}
#     ARROWS base idl ... EXPORTS base idl ...)
#
# x.idl becomes x.idl.h (included as "smbd/xsrv/x.idl.h") and x.idl.cpp in ${ATOLL_GENERATED}/<room>. They are made again when x.idl, what
# it imports (idlc writes a dependency file) or idlc itself changes.
function(atoll_idl VAR)
  file(RELATIVE_PATH room ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  string(REPLACE "/" "_" flat ${room})
  set(out ${ATOLL_GENERATED}/${room})
  file(MAKE_DIRECTORY ${out})
  set(sources "")
  set(headers "")
  set(made "")
  foreach(idl IN LISTS ARGN)
    add_custom_command(
      OUTPUT ${out}/${idl}.h ${out}/${idl}.cpp
      COMMAND idlc --root ${CMAKE_SOURCE_DIR} --out ${ATOLL_GENERATED} --depfile ${out}/${idl}.d ${room}/${idl}
      DEPENDS idlc ${CMAKE_CURRENT_SOURCE_DIR}/${idl}
      DEPFILE ${out}/${idl}.d
      COMMENT "idlc ${room}/${idl}"
      VERBATIM)
    list(APPEND sources ${out}/${idl}.cpp)
    list(APPEND headers ${idl}.h)
    list(APPEND made ${out}/${idl}.h ${out}/${idl}.cpp)
  endforeach()
  set(target idl_of_${flat}_${VAR})
  add_custom_target(${target} DEPENDS ${made})
  set(${VAR}_SOURCES ${sources} PARENT_SCOPE)
  set(${VAR}_HEADERS ${headers} PARENT_SCOPE)
  set(${VAR}_TARGET ${target} PARENT_SCOPE)
endfunction()
