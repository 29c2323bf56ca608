/** A variable of the host that a build must not inherit. */
export interface BypassRule {
  readonly names: RegExp;
  /** One line: what it would do. */
  readonly reason: string;
}

/**
 * Host variables that lead around the session, weaken the checks inside it, or bring in files that nobody records. Names are
 * matched whatever their case, because npm and Python read them so.
 */
export const bypassRules: readonly BypassRule[] = [
  { names: /^(?:.+_)?proxy$/i, reason: 'names another proxy' },
  { names: /^(?:.+_)?no_?proxy$/i, reason: 'lists hosts to reach directly' },
  { names: /^proxychains_|^ld_preload$|^ld_audit$/i, reason: 'redirects connections below the client' },
  { names: /^ssl_cert_dir$/i, reason: 'is searched beside the bundle, which already has its certificates' },
  {
    names:
      /^(?:curl|git)_ssl_no_verify$|^pythonhttpsverify$|^node_tls_reject_unauthorized$|^perl_lwp_ssl_verify_hostname$/i,
    reason: 'switches certificate checks off',
  },
  {
    names:
      /^git_(?:proxy_command|proxy_ssl_.*|ssl_capath|ssl_version|curl_.*|config_parameters|alternate_object_directories)$/i,
    reason: 'changes where or how git connects, or lends it objects that were never downloaded',
  },
  { names: /^git_ssh(?:_command|_variant)?$/i, reason: 'takes git over ssh, which no session sees' },
  { names: /^p?npm_config_(?:http_?)?proxy$|^p?npm_config_https[_-]proxy$/i, reason: 'names another proxy' },
  {
    names: /^p?npm_config_(?:no[_-]?proxy|ca|ca[_-]?file|strict[_-]ssl|local[_-]address|cert|key)$/i,
    reason: 'changes whom npm trusts or how it connects',
  },
  {
    names: /^p?npm_config_(?:cache|store[_-]dir|cache[_-]dir|offline|prefer[_-]offline|userconfig)$/i,
    reason: 'lets npm take packages out of a cache that no session recorded',
  },
  {
    names: /^p?npm_config_.*(?:_auth|_authtoken|_password|username)$/i,
    reason: 'is a credential; the session injects credentials',
  },
  {
    names:
      /^yarn_(?:https?_proxy|https_ca_file_path|ca_file_path|enable_strict_ssl|cache_folder|global_folder|enable_offline_mode|npm_auth_.*|network_settings)$/i,
    reason: 'changes whom yarn trusts, or takes packages out of a cache',
  },
  {
    names:
      /^pip_(?:trusted_host|cert|client_cert|use_deprecated|cache_dir|no_cache_dir|find_links|config_file|keyring_provider)$/i,
    reason: 'switches checks off, or lets pip take files that no session recorded',
  },
  {
    names: /^uv_(?:insecure_host|offline|find_links|cache_dir|no_cache|native_tls|system_certs)$/i,
    reason: 'switches checks off, or lets uv take files that no session recorded',
  },
  {
    names: /^poetry_(?:cache_dir|certificates_.*|http_basic_.*|pypi_token_.*)$/i,
    reason: 'changes whom poetry trusts, its cache or its credentials',
  },
  {
    names: /^cargo_(?:home|http_.*|net_.*|registr(?:y|ies)_.*token)$/i,
    reason: 'changes how cargo connects, its cache or its credentials',
  },
  {
    names: /^go(?:insecure|modcache|auth|nosumcheck)$/i,
    reason: 'switches checks off, or lets Go take modules out of a cache that no session recorded',
  },
  {
    names: /^gradle_user_home$|^maven_args$|^mvnw_(?:username|password|repourl)$/i,
    reason: 'lets Java tools take files out of a cache, or connect elsewhere',
  },
  {
    names: /^(?:wgetrc|curl_home|wget_rc|system_wgetrc|aria2_.*)$/i,
    reason: "names the user's options, which may switch proxy or checks off",
  },
  { names: /^apt_config$/i, reason: 'names another apt configuration' },
  { names: /^gnupghome$|^ssl_dir$/i, reason: "names the user's keys or roots; the session has its own" },
  {
    names:
      /^(?:composer_(?:cafile|cache_dir|home|auth|disable_network)|bundle_(?:ssl_.*|user_cache|user_home|path)|gem_spec_cache)$/i,
    reason: 'changes whom Ruby or PHP trusts, its cache or its credentials',
  },
  {
    names:
      /^(?:nuget_(?:packages|http_cache_path|fallback_packages|cert_revocation_mode|credentialproviders?_.*)|vss_nuget_.*)$/i,
    reason: 'lets .NET take packages out of a cache, or is a credential',
  },
  { names: /^bun_install(?:_cache_dir)?$/i, reason: 'lets bun take packages out of a cache' },
  {
    names: /^(?:docker_config|registry_auth_file|docker_tls_verify|docker_cert_path)$/i,
    reason: "names the user's logins; the session injects credentials",
  },
  { names: /^node_(?:use_env_proxy|extra_ca_certs|use_system_ca)$/i, reason: 'is set by the session' },
  {
    names: /^(?:docker_host|docker_context|container_host|ssh_auth_sock|gpg_agent_info|dbus_session_bus_address)$/i,
    reason: 'names a daemon of the host, which acts outside the session',
  },
];

/** Why a build must not inherit a variable; undefined when it may. */
export function bypassReason(name: string): string | undefined {
  return bypassRules.find(({ names }) => names.test(name))?.reason;
}
