/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * All rows (command_rows()) of quiz and of its helper programs, the exit
 * statuses ("status") and the keys of profile.conf ("key"): what completion,
 * manual pages and the tests of the documentation are made from.
 */

#include "base/error.h"
#include "base/str.h"

int rows_collect(struct str *out, struct error *err);
