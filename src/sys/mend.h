/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What mends a failure of the host that can come from anywhere: no
 * descriptor is free, no process may be started, a folder of quiz's can not
 * be written or is full. Whoever knows better has set a hint already.
 */

#include "base/error.h"

/* Gives an error without a hint one, if it is such a failure. Before it is printed. */
void mend_hint(struct error *err);
