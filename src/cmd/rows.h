/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * All rows (command_rows()) of quiz and of its helper programs: what the
 * completion and the documentation tests are made from.
 */

#include "base/error.h"
#include "base/str.h"

int rows_collect(struct str *out, struct error *err);
