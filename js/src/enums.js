// The enumerations of the namespace. They are spelled out: made by a loop, they would be
// nearly half of what this script takes to load.

import { freeze } from "./realm.js";

/** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.EventType>} */
export const EventType = freeze({
  INITIALIZED: "INITIALIZED", SHUTDOWN: "SHUTDOWN", TOKEN_EXPIRY_REMINDER: "TOKEN_EXPIRY_REMINDER",
  TOKEN_EXPIRED: "TOKEN_EXPIRED", IDLE_TIMEOUT_EXPIRED: "IDLE_TIMEOUT_EXPIRED",
  EVENT_STREAM_CONNECTING: "EVENT_STREAM_CONNECTING", EVENT_STREAM_CONNECTED: "EVENT_STREAM_CONNECTED",
  EVENT_STREAM_FAILED: "EVENT_STREAM_FAILED", EVENT_STREAM_CLOSED: "EVENT_STREAM_CLOSED",
  ENGAGEMENT_ACTIVE: "ENGAGEMENT_ACTIVE", ENGAGEMENT_TERMINATED: "ENGAGEMENT_TERMINATED",
  ENGAGEMENT_ERROR: "ENGAGEMENT_ERROR", PARTICIPANT_ADDED: "PARTICIPANT_ADDED",
  PARTICIPANT_DISCONNECTED: "PARTICIPANT_DISCONNECTED", MESSAGE_ARRIVED: "MESSAGE_ARRIVED",
  MESSAGE_DELIVERED: "MESSAGE_DELIVERED",
});

/** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.LogLevel>} */
export const LogLevel = freeze({ DEBUG: "DEBUG", INFO: "INFO", WARN: "WARN", ERROR: "ERROR", OFF: "OFF" });

/** All of them, by their names in the namespace. */
export const enumerations = {
  /** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.EngagementDisconnectReason>} */
  EngagementDisconnectReason: freeze({
    USER_CLOSED: "USER_CLOSED", SYSTEM_CLOSED: "SYSTEM_CLOSED", USER_INACTIVE: "USER_INACTIVE",
  }),
  /** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.EngagementStatus>} */
  EngagementStatus: freeze({
    PENDING: "PENDING", ACTIVE: "ACTIVE", TERMINATING: "TERMINATING", TERMINATED: "TERMINATED",
  }),
  /** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.EventStreamFailureReason>} */
  EventStreamFailureReason: freeze({
    UNAUTHORIZED: "UNAUTHORIZED", FORBIDDEN: "FORBIDDEN", SDK_SESSION_INVALID: "SDK_SESSION_INVALID",
    SERVER_ERROR: "SERVER_ERROR", SERVER_UNREACHABLE: "SERVER_UNREACHABLE", UNEXPECTED_ERROR: "UNEXPECTED_ERROR",
    RECONNECTION_TIMEOUT: "RECONNECTION_TIMEOUT",
  }),
  EventType,
  LogLevel,
  /** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.ParticipantType>} */
  ParticipantType: freeze({
    CUSTOMER: "CUSTOMER", AGENT: "AGENT", SUPERVISOR: "SUPERVISOR", BOT: "BOT", SYSTEM: "SYSTEM",
  }),
  /** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.ShutdownReason>} */
  ShutdownReason: freeze({ USER_CLOSED: "USER_CLOSED", USER_INACTIVE: "USER_INACTIVE" }),
  /** @type {AvayaCCaaSChatSDK.Words<AvayaCCaaSChatSDK.TextType>} */
  TextType: freeze({ PLAINTEXT: "PLAINTEXT", MARKDOWN: "MARKDOWN", HTML: "HTML" }),
};
